package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	openStreams = 64
	connections = 64
)

// streams measures contacts while nobody listens and while many live streams are open, in turn.
// The readers take their part of the same cores.
func streams(ctx context.Context, build string, each time.Duration) error {
	s, client, err := startFleet(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	client.Timeout = 0
	contacts := func() (result, error) {
		return s.load(connections, each, boots(manyMachines, []string{"/pxe/%s"}, connections))
	}
	fmt.Printf("\n## Contacts at %d connections while %d live streams are open, in turn with none: requests/s (p50, p99)\n\n", connections, openStreams)
	fmt.Println("| stream | none open | open | ratio | processor time of a request | ratio |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, path := range []string{"/api/v1/stream", "/events/machines"} {
		none, open, err := inTurn(contacts, func() (result, error) {
			reading, stop := context.WithCancel(ctx)
			defer stop()
			for range openStreams {
				if err := s.listen(reading, client, path); err != nil {
					return result{}, err
				}
			}
			time.Sleep(300 * time.Millisecond) // opening them is not what is measured
			return contacts()
		})
		if err != nil {
			return err
		}
		fmt.Printf("| `%s` | %s | %s | %.2f | %d and %d µs | %.2f |\n", path, none, open, open.rate/none.rate,
			none.cpu.Microseconds(), open.cpu.Microseconds(), float64(none.cpu)/float64(open.cpu))
	}
	return nil
}

// listen reads a live stream until ctx ends.
func (s *server) listen(ctx context.Context, client *http.Client, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	go func() {
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // until the reader is stopped
	}()
	return nil
}

// backups measures contacts while no backup is made and while one after the other is, in turn.
func backups(ctx context.Context, build string, each time.Duration) error {
	s, client, err := startFleet(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	fmt.Printf("\n## Contacts while backups of %d machines and %d events are made one after the other, in turn with none: requests/s (p50, p99)\n\n", manyMachines, manyEvents)
	fmt.Println("| connections | no backup | backups | ratio of the p99 | backups made |")
	fmt.Println("|---|---|---|---|---|")
	for _, n := range []int{1, 64} {
		contacts := func() (result, error) { return s.load(n, each, boots(manyMachines, []string{"/pxe/%s"}, n)) }
		made := 0
		none, during, err := inTurn(contacts, func() (result, error) {
			working, stop := context.WithCancel(ctx)
			ended := make(chan error, 1)
			go func() {
				var err error
				for err == nil && working.Err() == nil {
					if err = s.backup(client); err == nil {
						made++
					}
				}
				ended <- err
			}()
			r, err := contacts()
			stop()
			if failed := <-ended; err == nil {
				err = failed
			}
			return r, err
		})
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %s | %s | %.2f | %d |\n", n, none, during, float64(during.p99)/float64(none.p99), made)
	}
	return nil
}

// backup asks for a backup and waits until it is made.
func (s *server) backup(client *http.Client) error {
	var state struct {
		ID     string `json:"backup_id"`
		Status string `json:"status"`
	}
	resp, err := client.Post("http://"+s.address+"/workers/backups", "application/json", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	err = json.NewDecoder(resp.Body).Decode(&state)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("POST /workers/backups: %s %w", resp.Status, err)
	}
	for id := state.ID; ; time.Sleep(time.Second) { // asking oftener would be measured, too
		var all struct {
			Backups []struct {
				ID     string `json:"backup_id"`
				Status string `json:"status"`
			} `json:"backups"`
		}
		resp, err := client.Get("http://" + s.address + "/workers/backups")
		if err != nil {
			return err
		}
		err = json.NewDecoder(resp.Body).Decode(&all)
		resp.Body.Close()
		if err != nil {
			return err
		}
		for _, b := range all.Backups {
			switch {
			case b.ID != id:
			case b.Status == "completed":
				return nil
			case b.Status == "failed" || b.Status == "cancelled":
				return fmt.Errorf("the backup %s", b.Status)
			}
		}
	}
}
