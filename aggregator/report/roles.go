package report

import "cmp"

// Role tells in how many conversions something opens the path, closes it, stands between
// or is alone. Of one conversion it can do more than one of these.
type Role struct {
	Opens       Decimal  `json:"opens"`
	Assists     Decimal  `json:"assists"`
	Closes      Decimal  `json:"closes"`
	Alone       Decimal  `json:"alone"`
	Conversions Decimal  `json:"conversions"` // that it has any part in
	OpensShare  *Decimal `json:"opens_share"`
	AssistShare *Decimal `json:"assists_share"`
	CloseShare  *Decimal `json:"closes_share"`
}

// roleColumns count the conversions of a credit stream by role; organic ones have no path
// and none.
const roleColumns = "toString(uniqExactIf(x_id, x_steps > 1 AND x_place = 1)), toString(uniqExactIf(x_id, x_steps > 1 AND x_place > 1 AND x_place < " +
	"x_steps)),\n" +
	"    toString(uniqExactIf(x_id, x_steps > 1 AND x_place = x_steps)), toString(uniqExactIf(x_id, x_steps = 1)), toString(uniqExact(x_id))"

func (r *Role) into() []any {
	return []any{(*string)(&r.Opens), (*string)(&r.Assists), (*string)(&r.Closes), (*string)(&r.Alone), (*string)(&r.Conversions)}
}

// share works the shares out.
func (r *Role) share() error {
	all, err := integer(cmp.Or(string(r.Conversions), "0"))
	if err != nil {
		return err
	}
	for _, part := range []struct {
		of    Decimal
		share **Decimal
	}{{r.Opens, &r.OpensShare}, {r.Assists, &r.AssistShare}, {r.Closes, &r.CloseShare}} {
		n, err := integer(cmp.Or(string(part.of), "0"))
		if err != nil {
			return err
		}
		*part.share = ratio(n.Mul(n, million()), all)
	}
	return nil
}
