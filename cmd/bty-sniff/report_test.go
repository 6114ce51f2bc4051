package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/lan"
	"bty/internal/machine"
	"bty/internal/wire"
)

// Whoever sends long options fills bodies with them; the machines that are seen beside are told all
// the same. The bound is that of bty-web.
func TestLongOptionsPushNobodyOut(t *testing.T) {
	const bound = 1 << 20
	told := map[string]bool{}
	refused := 0
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bound))
		if err != nil {
			refused++
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		var o wire.Observations
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Error(err)
		}
		for _, s := range o.Sightings {
			told[s.MAC] = true
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	socket := filepath.Join(strings.TrimPrefix(settings(t)[1], "BTY_PATHS_RUN_DIR="), "s")
	listener := must(net.Listen("unix", socket))
	go web.Serve(listener)
	defer web.Close()
	batch, long := lan.NewBatch(), strings.Repeat(`"`, 255)
	for i := range perBody {
		mac := machine.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}.String()
		batch.Request(wire.Sighting{At: time.Now(), MAC: mac, Class: long, UserClass: long, Hostname: long, Count: 1})
		batch.Answer(wire.DHCPAnswer{At: time.Now(), MAC: mac, Class: long, TFTPServer: long, Bootfile: long, Count: 1})
	}
	newReporter(socket, batch, slog.New(slog.DiscardHandler)).flush(t.Context())
	if len(told) != perBody || refused == 0 {
		t.Errorf("%d of %d machines are told, %d bodies were refused", len(told), perBody, refused)
	}
}
