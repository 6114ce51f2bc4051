// Stack stands in for a daemon of the previous system, as far as another program can tell it apart:
// it listens on the TCP ports of its command line, and answers what bty-web of release 0.65.4 answers.
// Without a port it is there and does nothing, as its TFTP server does for whoever asks over HTTP.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"version":"0.65.4"}`)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"ok"}`) })
	mux.HandleFunc("GET /pxe-bootstrap.ipxe", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "#!ipxe\nchain http://%s/pxe/${mac:hexhyp}\n", r.Host)
	})
	for _, port := range os.Args[1:] {
		go func() { log.Fatal(http.ListenAndServe(":"+port, mux)) }()
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}
