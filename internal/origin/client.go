package origin

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

const maxRedirects = 10

// ClientOptions of NewClient. The zero value trusts whom the system trusts and goes everywhere.
type ClientOptions struct {
	CAs *x509.CertPool // who is trusted; nil: the system's. See ReadCAs

	// Control may refuse a connection before it is made, by the address that its name has become.
	// Of a connection through a proxy it sees the proxy.
	Control func(network, address string, c syscall.RawConn) error
}

// NewClient returns the HTTP client for images. It speaks HTTP/1.1 only: object stores reset
// long HTTP/2 streams when a signed URL expires. It honours the proxy variables of the
// environment and follows a bounded number of redirects, to http and https only.
func NewClient(opts ClientOptions) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.DisableCompression = true // the digest is of the bytes as published
	t.ResponseHeaderTimeout = 30 * time.Second
	t.MaxResponseHeaderBytes = 1 << 20
	t.ReadBufferSize = 64 << 10
	t.DialContext = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: opts.Control}).DialContext
	if opts.CAs != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: opts.CAs}
	}
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}
}

// ReadCAs returns the system's certificates and those of a file in PEM, nil for no file.
func ReadCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the extra CA certificates: %w", err)
	}
	all, err := x509.SystemCertPool()
	if err != nil {
		all = x509.NewCertPool() // a live environment may have none
	}
	if !all.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s holds no certificate in PEM; want one or more blocks of BEGIN CERTIFICATE", file)
	}
	return all, nil
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &finalError{fmt.Errorf("%w: more than %d redirects, the last one to %s", ErrRefused, maxRedirects, Redact(req.URL.String()))}
	}
	if s := req.URL.Scheme; s != "http" && s != "https" {
		return &finalError{fmt.Errorf("%w: it redirects to scheme %q", ErrRefused, s)}
	}
	return nil
}
