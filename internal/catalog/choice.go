package catalog

// Choice is yes, no, or nothing said, which leaves it to the next who may say something.
type Choice string

const (
	Unsaid Choice = ""
	Yes    Choice = "yes"
	No     Choice = "no"
	// Kept stands in what somebody wants who did not speak of it: what was said before stays. It is
	// never stored.
	Kept Choice = "kept"
)

// ChoiceOf is what true, false and null say.
func ChoiceOf(b *bool) Choice {
	switch {
	case b == nil:
		return Unsaid
	case *b:
		return Yes
	}
	return No
}

// Bool is the choice as true, false or null.
func (c Choice) Bool() *bool {
	if !c.Said() {
		return nil
	}
	return new(c == Yes)
}

// Said reports whether it is yes or no.
func (c Choice) Said() bool { return c == Yes || c == No }

// Or is what is done, where next is what is done if nothing is said here.
func (c Choice) Or(next bool) bool {
	if !c.Said() {
		return next
	}
	return c == Yes
}

// Over is the choice that is stored, where before was.
func (c Choice) Over(before Choice) Choice {
	if c == Kept {
		return before
	}
	return c
}
