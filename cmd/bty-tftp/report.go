package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"bty/internal/flood"
	"bty/internal/tftp"
	"bty/internal/wire"
)

const (
	askTimeout  = 200 * time.Millisecond // a machine's boot waits for this one
	sendTimeout = 2 * time.Second        // nobody waits
	// askPause is how long bty-web is not asked after it did not answer.
	askPause    = 5 * time.Second
	reportQueue = 256
	// Transfers that are reported in a minute: of a client, which boots twice in it at most, and clients.
	doneEach    = 16
	doneClients = 4096
)

// reporter talks to bty-web's report socket, best effort: TFTP works without it.
type reporter struct {
	log   *slog.Logger
	http  *http.Client
	queue chan tftp.Transfer
	// Anybody can cause transfers, and each that is reported becomes an event.
	failures flood.Gate // of a client and a file; from any address, so only a few kinds
	done     flood.Gate // of a client; its address is true, or it could not have acknowledged

	mu    sync.Mutex
	until time.Time // ask nobody before
}

func newReporter(socket string, log *slog.Logger) *reporter {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &reporter{
		log: log, queue: make(chan tftp.Transfer, reportQueue), done: flood.Gate{Each: doneEach, Kinds: doneClients},
		http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConns: 8, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second}},
	}
}

// add queues a transfer for reporting; when the queue is full it is dropped. What the gates hold back
// is in the journal, in full or counted.
func (r *reporter) add(t tftp.Transfer) {
	if !r.passes(t) {
		return
	}
	select {
	case r.queue <- t:
	default:
		r.log.Debug("a transfer was not reported: bty-web is slow", "remote", t.Client)
	}
}

func (r *reporter) passes(t tftp.Transfer) bool {
	if t.Err != nil {
		return r.failures.Pass(time.Now(), t.Client, t.File)
	}
	return r.done.Pass(time.Now(), t.Client, "")
}

// Run sends what is queued until ctx is done, then what is left.
func (r *reporter) Run(ctx context.Context) error {
	defer r.http.CloseIdleConnections()
	for {
		select {
		case t := <-r.queue:
			r.send(t)
		case <-ctx.Done():
			return r.flush()
		}
	}
}

func (r *reporter) flush() error {
	end := time.Now().Add(time.Second)
	for time.Now().Before(end) {
		select {
		case t := <-r.queue:
			r.send(t)
		default:
			return nil
		}
	}
	return nil
}

func (r *reporter) send(t tftp.Transfer) {
	const longest = 500 // bytes of an error that bty-web takes
	body := wire.Transfer{Client: t.Client.String(), File: t.File, Served: t.Served, Bytes: t.Bytes, Duration: t.Duration}
	if t.Err != nil {
		body.Error = t.Err.Error()[:min(len(t.Err.Error()), longest)]
	}
	b, err := json.Marshal(body)
	if err == nil {
		err = r.do(http.MethodPost, "/transfers", sendTimeout, b, nil)
	}
	if err != nil {
		r.log.Debug("a transfer was not reported", "remote", t.Client, "err", err)
	}
}

// isIPXE asks whether DHCP told that client is an iPXE. No answer means no.
func (r *reporter) isIPXE(client netip.Addr) bool {
	if r.paused() {
		return false
	}
	var answer wire.Client
	if err := r.do(http.MethodGet, "/clients/"+client.String(), askTimeout, nil, &answer); err != nil {
		r.log.Debug("nobody to ask about the client", "remote", client, "err", err)
		r.pause()
		return false
	}
	return answer.IPXE
}

func (r *reporter) do(method, path string, limit time.Duration, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://report"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer := io.LimitReader(res.Body, 64<<10)
	defer io.Copy(io.Discard, answer) // so that the connection is used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer).Decode(into)
}

func (r *reporter) paused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until)
}

func (r *reporter) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Now().Add(askPause)
}
