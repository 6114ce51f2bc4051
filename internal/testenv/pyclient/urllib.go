package pyclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// urlopen makes a request as Python's urllib does: a connection for each, HTTP/1.1, no cookies.
// Any status but 2xx is an error. The time is for all of it; urllib's is for each read.
func (c *Client) urlopen(ctx context.Context, method, url string, body []byte, limit time.Duration, most int64, header ...string) ([]byte, error) {
	resp, err := c.open(ctx, method, url, body, limit, header...)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(raw)) > most {
		err = fmt.Errorf("%s: more than %d bytes", url, most)
	}
	return raw, err
}

// statusError is an answer that is no success.
type statusError struct {
	code   int
	header http.Header
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP Error %d", e.code) }

func (c *Client) open(ctx context.Context, method, url string, body []byte, limit time.Duration, header ...string) (*http.Response, error) {
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit/time.Duration(max(c.Hurry, 1)))
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("User-Agent", "Python-urllib/3.13")
	req.Header.Set("Accept-Encoding", "identity")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: transport, CheckRedirect: redirected}
	resp, err := client.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &closing{resp.Body, func() { cancel(); transport.CloseIdleConnections() }}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		resp.Body.Close()
		return nil, &statusError{resp.StatusCode, resp.Header}
	}
	return resp, nil
}

func (c *Client) transport() (*http.Transport, error) {
	t := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	if c.CAs == "" {
		return t, nil
	}
	raw, err := os.ReadFile(c.CAs)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s has no certificate", c.CAs)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool}
	return t, nil
}

// redirected: urllib makes a GET of what is redirected, of a HEAD as well.
func redirected(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("HTTP Error: too many redirects")
	}
	req.Method = http.MethodGet
	return nil
}

type closing struct {
	io.ReadCloser
	after func()
}

func (c *closing) Close() error {
	defer c.after()
	return c.ReadCloser.Close()
}
