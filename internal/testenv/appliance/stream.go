package appliance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Message is one message of GET /api/v1/stream.
type Message struct {
	Name string // event, progress, reload
	Data json.RawMessage
}

// Stream calls see for each message of the live stream until ctx ends. When bty-web is away it
// tries again, and goes on after the last event that it saw.
func (c *Client) Stream(ctx context.Context, see func(Message)) {
	last := ""
	for ctx.Err() == nil {
		_ = c.readStream(ctx, &last, see) // a stream has no good end: whatever it was, try again
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Client) readStream(ctx context.Context, last *string, see func(Message)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, URL+"/api/v1/stream", http.NoBody)
	if err != nil {
		return err
	}
	if *last != "" {
		request.Header.Set("Last-Event-ID", *last)
	}
	endless := *c.http
	endless.Timeout = 0
	answer, err := endless.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /api/v1/stream: %s", answer.Status)
	}
	var m Message
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			*last = value
		case "event":
			m.Name = value
		case "data":
			m.Data = json.RawMessage(value)
		case "":
			if m.Name != "" {
				see(m)
			}
			m = Message{}
		}
	}
	return lines.Err()
}
