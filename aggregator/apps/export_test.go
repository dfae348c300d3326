package apps

// For the tests of this package, which stand outside of it.
const (
	ErasureKind    = erasureKind
	MaxErasures    = maxErasures
	MaxRunAttempts = maxRunAttempts
	MaxRuns        = maxRuns
	MaxUnfinished  = maxUnfinished
)

// The same.
var (
	ValidDestination = validDestination
)
