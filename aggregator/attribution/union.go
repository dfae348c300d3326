package attribution

// NoPart is where a fact without keys is, or one that reaches no conversion.
const NoPart = -1

// Union is a union-find structure over the keys of apps: it says which keys belong
// to one part.
type Union struct {
	app    string // of the keys in of
	of     map[string]int32
	others map[string]map[string]int32 // the keys of all apps, once there are several
	parent []int32
	part   []int32 // of roots, by partsWith
}

// NewUnion returns a union with room for some keys.
func NewUnion(keys int) *Union {
	return &Union{of: make(map[string]int32, keys)}
}

// keys returns the numbers of an app's keys. Facts nearly always are of one app.
func (u *Union) keys(app string) map[string]int32 {
	switch {
	case app == u.app:
	case len(u.parent) == 0:
		u.app = app
	default:
		if u.others == nil {
			u.others = make(map[string]map[string]int32)
		}
		u.others[u.app] = u.of
		if u.others[app] == nil {
			u.others[app] = make(map[string]int32)
		}
		u.app, u.of = app, u.others[app]
	}
	return u.of
}

// add returns a new number.
func (u *Union) add() int32 {
	n := int32(len(u.parent))
	u.parent = append(u.parent, n)
	return n
}

func (u *Union) root(n int32) int32 {
	for u.parent[n] != n {
		u.parent[n] = u.parent[u.parent[n]]
		n = u.parent[n]
	}
	return n
}

// Join says that keys are of one part and returns the number of one of them,
// NoPart if there is none.
func (u *Union) Join(app string, keys ...string) int32 {
	of, first := u.keys(app), int32(NoPart)
	for _, key := range keys {
		n, ok := of[key]
		if !ok {
			n = u.add()
			of[key] = n
		}
		n = u.root(n)
		if first == NoPart || first == n {
			first = n
			continue
		}
		u.parent[max(first, n)] = min(first, n)
		first = min(first, n)
	}
	return first
}

// partsWith numbers the parts that hold the given facts, in their order, replaces
// the number of each fact's key by that of its part, and returns how many parts
// there are. A fact without keys is a part of its own.
func (u *Union) partsWith(facts []int32) int {
	for i, n := range facts {
		if n == NoPart {
			facts[i] = u.add()
		}
	}
	u.part = make([]int32, len(u.parent))
	for i := range u.part {
		u.part[i] = NoPart
	}
	count := int32(0)
	for i, n := range facts {
		root := u.root(n)
		if u.part[root] == NoPart {
			u.part[root] = count
			count++
		}
		facts[i] = u.part[root]
	}
	return int(count)
}

// assign replaces the number of each fact's key by that of its part.
func (u *Union) assign(facts []int32) {
	for i, n := range facts {
		if n != NoPart {
			facts[i] = u.part[u.root(n)]
		}
	}
}

// Len returns how many keys the union knows.
func (u *Union) Len() int { return len(u.parent) }
