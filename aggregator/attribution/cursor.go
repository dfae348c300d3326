package attribution

import "errors"

// Cursor is a place in the conversions of an app, ordered by time and id: after
// the conversion that it names, or with an empty id before all of that time.
type Cursor struct {
	Time int64
	ID   string
}

// ErrTooManyKeys says that the people of some conversions have more keys than
// are read together. Fewer conversions may do.
var ErrTooManyKeys = errors.New("the conversions' people have too many keys to be read together: give fewer conversions")
