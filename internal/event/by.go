package event

import "context"

type byKey struct{}

// WithBy returns a context for what the operator does through a token or a tool with this name.
func WithBy(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, byKey{}, name)
}

// ByOf is the name that WithBy gave, "" if there is none.
func ByOf(ctx context.Context) string {
	name, _ := ctx.Value(byKey{}).(string)
	return name
}
