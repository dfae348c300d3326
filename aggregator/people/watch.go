package people

import "context"

// peopleChannel is where changes of people are announced, with the id of the person.
const peopleChannel = "unmogrowp_people"

// Watch calls changed with the id of a person whose roles, password or state changed, or whose
// session was ended, and with an empty id when any may have: at the start and after an interruption.
func (a *Logins) Watch(ctx context.Context, changed func(user string)) error {
	away := true
	poll := func(context.Context) error {
		if away {
			away = false
			changed("")
		}
		return nil
	}
	return a.pool.Follow(ctx, peopleChannel, poll, func(_ context.Context, user string) error {
		changed(user)
		return nil
	}, func() { away = true })
}
