package origin

import (
	"context"
	"net/url"
)

type hostKey struct{}

// onBehalf notes in a context whose source is asked for. A registry has the client ask others on its
// behalf, a token service for one, and those requests follow no redirect that would show it.
func onBehalf(ctx context.Context, source string) context.Context {
	if u, err := url.Parse(source); err == nil {
		return context.WithValue(ctx, hostKey{}, u.Hostname())
	}
	return ctx
}

// HostOf is the host of the source on whose behalf a request is made, "" if nobody noted it. It is
// for transports that judge where a source may lead.
func HostOf(ctx context.Context) string {
	host, _ := ctx.Value(hostKey{}).(string)
	return host
}
