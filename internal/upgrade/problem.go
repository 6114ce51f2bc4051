package upgrade

import "bty/internal/deploy"

// refused is an upgrade that cannot be made, before anything was touched.
func refused(id, what, next string) error {
	return &deploy.Refused{Doing: "upgrade", Problems: []deploy.Problem{{ID: id, What: what, Next: next}}}
}
