package liveenv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bty/internal/client"
	"bty/internal/machine"
	"bty/internal/wire"
)

func TestLogkeep(t *testing.T) {
	k := &logkeep{}
	fmt.Fprint(k, "bty: one\r\n\n\x1b[K\nbty: two\n")
	piece, sent := k.piece(wire.MaxLog)
	for _, want := range []string{"] bty: one\n", "] bty: two\n"} {
		if !strings.Contains(string(piece), want) {
			t.Errorf("no %q in %q", want, piece)
		}
	}
	fmt.Fprint(k, "bty: three\n") // while the piece is on its way
	sent()
	if piece, _ := k.piece(wire.MaxLog); strings.Count(string(piece), "\n") != 1 || !strings.HasSuffix(string(piece), "] bty: three\n") {
		t.Errorf("after the first piece: %q", piece)
	}
}

// The oldest lines give way, the server is told how many, and a line that gave way after it was
// sent is not among them.
func TestLogkeepIsBounded(t *testing.T) {
	k := &logkeep{}
	line := strings.Repeat("x", 1000)
	write := func(n int) {
		for i := range n {
			fmt.Fprintf(k, "%d %s\n", i, line)
		}
	}
	write(200)
	piece, sent := k.piece(10 << 10)
	inPiece := strings.Count(string(piece), "\n")
	if inPiece < 5 || len(piece) > 10<<10 {
		t.Fatalf("a piece of %d lines, %d bytes", inPiece, len(piece))
	}
	write(1000)
	gone := k.lost
	sent()
	if k.bytes > keepBound || gone < 900 || k.lost != gone-inPiece {
		t.Errorf("%d bytes wait; %d lines gave way, %d of them sent, %d told as lost", k.bytes, gone, inPiece, k.lost)
	}
	piece, sent = k.piece(wire.MaxLog)
	if want := fmt.Sprintf("%d lines are missing here", gone-inPiece); !strings.Contains(string(piece), want) {
		t.Errorf("the next piece begins with %.80q; want %q in it", piece, want)
	}
	sent()
	if piece, _ := k.piece(wire.MaxLog); strings.Contains(string(piece), "missing") {
		t.Error("the lost lines are told twice")
	}
}

// A server that is away does not hold up the end for longer than the bound, and gets everything
// once it is back.
func TestSenderOutlivesAnAbsence(t *testing.T) {
	s := &sender{}
	if err := s.end(time.Second); err != nil {
		t.Errorf("the end of a log that was never sent: %v", err)
	}
	fmt.Fprint(&s.keep, "bty: one\n")
	s.start(func(ctx context.Context, _ []byte) error { <-ctx.Done(); return ctx.Err() })
	begun := time.Now()
	if err := s.end(100 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	var got []string
	s.start(func(_ context.Context, piece []byte) error { got = append(got, string(piece)); return nil })
	if err := s.end(time.Second); err != nil || len(got) != 1 || !strings.Contains(got[0], "bty: one") {
		t.Errorf("%v, got %q", err, got)
	}
}

func TestRefused(t *testing.T) {
	for code, want := range map[int]bool{http.StatusNotFound: true, http.StatusMethodNotAllowed: true, http.StatusServiceUnavailable: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		err := client.New(client.Server(server.URL), machine.MAC{2}, "test").Log(t.Context(), []byte("x\n"))
		server.Close()
		if refused(err) != want {
			t.Errorf("%d: %v", code, err)
		}
	}
}
