package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// conn is one keep-alive connection that does as little as HTTP/1.1 allows, so that a measurement
// shows the server and not the client.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{c, bufio.NewReaderSize(c, 64<<10)}, nil
}

// ask sends one request and reads its answer to the end. It returns the length of the body.
func (c *conn) ask(request []byte) (status int, length int64, err error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, 0, err
	}
	if _, err := c.Write(request); err != nil {
		return 0, 0, err
	}
	if status, length, err = c.head(); err != nil {
		return status, length, err
	}
	_, err = io.CopyN(io.Discard, c.r, length)
	return status, length, err
}

// head reads an answer up to its body.
func (c *conn) head() (status int, length int64, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, 0, fmt.Errorf("status line %q: %w", line, err)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, err
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return status, 0, err
		}
		if len(line) <= 2 {
			return status, length, nil
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return status, 0, err
			}
		}
	}
}

func get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: bench.example:8080\r\n\r\n")
}

func post(path, json string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench.example:8080\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(json), json)
}

// result is what one run of a load came to.
type result struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
	failed   int
	cpu      time.Duration // processor time of the server for one request, where it was measured
}

// load asks on n connections for a while; next gives the request of a worker's i-th turn.
func load(address string, n int, duration time.Duration, next func(worker, i int) []byte) (result, error) {
	var (
		mu    sync.Mutex
		all   []time.Duration
		wrong int
		errs  []error
		wg    sync.WaitGroup
	)
	begin := time.Now()
	for worker := range n {
		wg.Go(func() {
			took, failed, err := loadOne(address, begin.Add(duration), func(i int) []byte { return next(worker, i) })
			mu.Lock()
			defer mu.Unlock()
			all, wrong, errs = append(all, took...), wrong+failed, append(errs, err)
		})
	}
	wg.Wait()
	elapsed := time.Since(begin)
	slices.Sort(all)
	if len(all) == 0 {
		return result{}, fmt.Errorf("no answer at all: %w", errors.Join(errs...))
	}
	return result{float64(len(all)) / elapsed.Seconds(), all[len(all)/2], all[len(all)*99/100], wrong, 0}, errors.Join(errs...)
}

func loadOne(address string, until time.Time, next func(i int) []byte) (took []time.Duration, failed int, err error) {
	c, err := dial(address)
	if err != nil {
		return nil, 1, err
	}
	defer c.Close()
	for i := 0; time.Now().Before(until); i++ {
		at := time.Now()
		status, _, err := c.ask(next(i))
		if err != nil {
			return took, failed + 1, err
		}
		if status/100 != 2 {
			failed++
		}
		took = append(took, time.Since(at))
	}
	return took, failed, nil
}
