package report

// LimitError means that a question needs more than one question may take.
type LimitError struct {
	Busy  bool  // time or memory ran out, which another moment may cure; else it is the rows
	Cause error // for the log
}

// Error says what happened.
func (e *LimitError) Error() string { return "limit of one question: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *LimitError) Unwrap() error { return e.Cause }
