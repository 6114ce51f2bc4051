package body

// Of is a value that came in another way than as JSON: the fields of a form, brought into the
// shape of the JSON that says the same.
func Of(v any) Value { return Value{v: v} }
