package main

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// BenchmarkRequests compares contacts with /healthz of the same server, over 64 connections.
func BenchmarkRequests(b *testing.B) {
	a := start(b, nil)
	a.live()
	for i := range 100 {
		put(a, fmt.Sprintf("52:54:00:00:00:%02x", i), `{"boot_mode":"bty-flash-once"}`)
	}
	for _, path := range []string{"/healthz", "/pxe/52:54:00:00:00:%02x", "/pxe/52:54:00:00:00:%02x/plan"} {
		b.Run(path, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			var n atomic.Int64
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					url := a.url + path
					if path != "/healthz" {
						url = fmt.Sprintf(a.url+path, n.Add(1)%100)
					}
					resp, err := client.Get(url)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
