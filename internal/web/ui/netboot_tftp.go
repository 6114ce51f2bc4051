package ui

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"time"

	"bty/internal/event"
	"bty/internal/service"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

// tftpRoutes are those of the TFTP daemon's part of the Netboot page.
func (s surface) tftpRoutes(r routes) {
	r.own("GET /ui/netboot/tftp", s.tftpNow)
	r.own("GET /ui/netboot/tftp/stop", s.askStopTFTP)
	for _, verb := range service.Verbs {
		r.own("POST /ui/netboot/tftp/"+string(verb), s.tftpAct(verb))
	}
}

func aboutTFTP() []openapi.Operation {
	const tag = "pages"
	list := []openapi.Operation{
		{Pattern: "GET /ui/netboot/tftp", Tag: tag, Access: openapi.Page, Summary: "The TFTP daemon, as a part of the page",
			Query:   []openapi.Param{{Name: "seen", Text: "what the page shows: 204 if it is so still"}},
			Answers: append(pageOr(), openapi.Empty(204, "nothing has changed"))},
		{Pattern: "GET /ui/netboot/tftp/stop", Tag: tag, Access: openapi.Page, Summary: "Ask before the TFTP daemon is stopped", Answers: pageOr()},
	}
	for _, verb := range service.Verbs {
		list = append(list, openapi.Operation{Pattern: "POST /ui/netboot/tftp/" + string(verb), Tag: tag, Access: openapi.Page,
			Summary: "The TFTP daemon: " + string(verb), Answers: led()})
	}
	return list
}

// tftpDaemon is what the page shows of the TFTP daemon.
type tftpDaemon struct {
	service.State
	Transfers            []transfer // the newest first
	Start, Stop, Restart string     // commands
	Seen                 string     // changes when anything else here does
}

type transfer struct {
	wire.Transfer
	At   time.Time
	Took string
}

const lastTransfers = 8

func (s surface) tftpDaemon(r *http.Request) (tftpDaemon, error) {
	d := tftpDaemon{State: s.TFTP.State(r.Context()), Start: service.Start.Command(), Stop: service.Stop.Command(), Restart: service.Restart.Command()}
	d.Service.Memory = d.Service.Memory >> 18 << 18 // what moves all the time is no news
	kind := event.TFTPTransfer
	events, err := s.Book.Events(event.Filter{Kind: &kind, Limit: lastTransfers})
	if err != nil {
		return d, err
	}
	for _, e := range events {
		t := transfer{At: e.At}
		if err := json.Unmarshal(e.Details, &t.Transfer); err != nil {
			t.Error = e.Summary // of a row that another release wrote
		}
		t.Took = t.Duration.Round(time.Millisecond).String()
		d.Transfers = append(d.Transfers, t)
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%+v", d)
	d.Seen = fmt.Sprintf("%x", hash.Sum64())
	return d, nil
}

// tftpNow is the part of the page that a live page asks for again, every few seconds: systemd does
// not tell of what somebody does at a terminal.
func (s surface) tftpNow(w http.ResponseWriter, r *http.Request) error {
	d, err := s.tftpDaemon(r)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("seen") == d.Seen {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return s.fragment(w, r, "netboot", "tftp-daemon", d)
}

func (s surface) askStopTFTP(w http.ResponseWriter, r *http.Request) error {
	return s.confirm(w, r, confirmation{Title: "Stop the TFTP daemon?",
		Text:   "Its port is closed, transfers that run are let end. Until it is started again only UEFI HTTP Boot reaches a live environment; other machines boot their own disk.",
		Action: netbootPath + "/tftp/stop", Button: "Stop", Cancel: netbootPath, Section: "netboot"})
}

func (s surface) tftpAct(verb service.Verb) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		_, err := s.TFTP.Do(r.Context(), verb, s.Client(r))
		return done(w, r, netbootPath, "tftp-"+string(verb), err)
	}
}

// daemonBadge says in a word how the TFTP daemon is.
func daemonBadge(s service.State) badge {
	switch {
	case !s.Known:
		return badge{Text: "not known", Tone: "quiet", Title: s.Reason}
	case s.Socket.Active == "failed" || s.Service.Active == "failed":
		return badge{Text: "failed", Tone: "bad", Title: "systemctl status " + service.Socket + " " + service.Service + " says why."}
	case s.Listens() && s.Service.Active == "active":
		return badge{Text: "running", Tone: "good", Title: "It serves."}
	case s.Listens():
		return badge{Text: "listening", Tone: "good", Title: "The first request starts it."}
	}
	return badge{Text: "stopped", Tone: "warn", Title: "Its port is closed."}
}
