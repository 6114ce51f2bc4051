package daemon

// UsageError is a call of a program that cannot be understood; Exit exits with 2 for it.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// ExitCode is 2.
func (UsageError) ExitCode() int { return 2 }
