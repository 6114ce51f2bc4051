package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// qmp is a connection to QEMU's machine protocol (docs/interop/qmp-spec of QEMU): one JSON
// object per command and answer, events in between.
type qmp struct {
	mu   sync.Mutex
	conn net.Conn
	json *json.Decoder
}

// dialQMP connects once QEMU has made its socket.
func dialQMP(ctx context.Context, path string, gone <-chan struct{}) (*qmp, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			q := &qmp{conn: conn, json: json.NewDecoder(conn)}
			return q, q.do(ctx, "qmp_capabilities", nil)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-gone:
			return nil, errors.New("QEMU ended at once")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// do runs one command and decodes its answer into result, unless that is nil.
func (q *qmp) do(ctx context.Context, command string, result any) error {
	return q.send(ctx, map[string]any{"execute": command}, result)
}

// run runs one command with arguments.
func (q *qmp) run(ctx context.Context, command string, arguments map[string]any) error {
	return q.send(ctx, map[string]any{"execute": command, "arguments": arguments}, nil)
}

func (q *qmp) send(ctx context.Context, request map[string]any, result any) error {
	command := request["execute"]
	q.mu.Lock()
	defer q.mu.Unlock()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(20 * time.Second)
	}
	if err := q.conn.SetDeadline(deadline); err != nil {
		return err
	}
	if err := json.NewEncoder(q.conn).Encode(request); err != nil {
		return fmt.Errorf("QEMU command %v: %w", command, err)
	}
	for {
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		switch err := q.json.Decode(&answer); {
		case err != nil:
			return fmt.Errorf("QEMU command %v: %w", command, err)
		case answer.Error != nil:
			return fmt.Errorf("QEMU command %v: %s", command, answer.Error.Desc)
		case answer.Return == nil: // the greeting, or an event
		case result == nil:
			return nil
		default:
			return json.Unmarshal(answer.Return, result)
		}
	}
}

func (q *qmp) close() { q.conn.Close() }
