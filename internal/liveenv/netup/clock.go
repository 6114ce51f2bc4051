package netup

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxSkew is how far the clock may be behind. TLS needs about the right day; setting it for
// less would only disturb running timers.
const maxSkew = time.Minute

// ServerTime asks the appliance for the time: the Date header of whatever it answers. It asks with
// GET, for the appliance refuses HEAD on all but files (as its predecessor did), and tells so. The
// certificate is not checked, for it cannot be with a clock that is years behind; the time is
// only ever used to go forward.
func ServerTime(ctx context.Context, server string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(server, "/")+"/healthz", nil)
	if err != nil {
		return time.Time{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: the answer has no date", server)
	}
	return date, nil
}

// Forward sets the clock to the server's time if it is behind by more than maxSkew, and says
// by how much.
func Forward(server time.Time) (time.Duration, error) {
	behind := time.Until(server)
	if behind <= maxSkew {
		return 0, nil
	}
	ts := unix.NsecToTimespec(server.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return 0, fmt.Errorf("set the clock to %v: %w", server, err)
	}
	return behind, nil
}
