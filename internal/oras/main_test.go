package oras

import (
	"os"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

// The pauses between attempts are those of a quick test.
func TestMain(m *testing.M) {
	patience.Backoff = retry.ExponentialBackoff(5*time.Millisecond, 2, 0.1)
	patience.MinWait, patience.MaxWait = time.Millisecond, 20*time.Millisecond
	os.Exit(m.Run())
}
