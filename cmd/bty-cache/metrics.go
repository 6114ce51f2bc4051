package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bty/internal/build"
	"bty/internal/proxy"
	"bty/internal/wire"
)

// newMetrics is what /metrics serves.
func newMetrics(face *proxy.Face) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bty_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": build.Version}},
			func() float64 { return 1 }),
		figures{face},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// figures are those of one look at the cache.
type figures struct{ face *proxy.Face }

var (
	held     = prometheus.NewDesc("bty_cache_held_bytes", "Bytes of complete and of growing images.", nil, nil)
	limit    = prometheus.NewDesc("bty_cache_limit_bytes", "What is held at most; 0 is as much as the floor leaves.", nil, nil)
	free     = prometheus.NewDesc("bty_cache_free_bytes", "Free bytes of the file system.", nil, nil)
	floor    = prometheus.NewDesc("bty_cache_floor_bytes", "Bytes that are left free.", nil, nil)
	images   = prometheus.NewDesc("bty_cache_images", "Complete images.", nil, nil)
	pinned   = prometheus.NewDesc("bty_cache_images_pinned", "Complete images that are never evicted.", nil, nil)
	fills    = prometheus.NewDesc("bty_cache_fills", "Fetches from origins, by state.", []string{"status"}, nil)
	readers  = prometheus.NewDesc("bty_cache_readers", "Readers now.", nil, nil)
	answered = prometheus.NewDesc("bty_cache_answers_total", "Answers to requests for images since the start, by outcome.", []string{"outcome"}, nil)
	sent     = prometheus.NewDesc("bty_cache_sent_bytes_total", "Bytes given to readers since the start.", nil, nil)
	missed   = prometheus.NewDesc("bty_cache_misses_total", "Requests since the start for images that were not held in full.", nil, nil)
	fetched  = prometheus.NewDesc("bty_cache_fetched_bytes_total", "Bytes that came from origins since the start.", nil, nil)
	ended    = prometheus.NewDesc("bty_cache_fills_total", "Fetches from origins that have ended since the start, by outcome.", []string{"outcome"}, nil)
	usable   = prometheus.NewDesc("bty_cache_usable", "1 if the cache can do its work.", nil, nil)
)

// Describe implements prometheus.Collector.
func (f figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{held, limit, free, floor, images, pinned, fills, readers, answered, sent, missed, fetched, ended, usable} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (f figures) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	s, total := f.face.Cache.Figures(), f.face.Totals()
	gauge(held, float64(s.HeldBytes))
	gauge(limit, float64(s.LimitBytes))
	gauge(free, float64(s.FreeBytes))
	gauge(floor, float64(s.FloorBytes))
	gauge(images, float64(s.Images))
	gauge(pinned, float64(s.Pinned))
	gauge(readers, float64(s.Readers))
	gauge(usable, map[bool]float64{true: 1}[s.Problem == ""])
	for _, status := range []string{wire.CacheFillWaiting, wire.CacheFillRunning, wire.CacheFillVerifying, wire.CacheFillFailed} {
		gauge(fills, float64(s.Fills[status]), status)
	}
	count(answered, total.Given, "given")
	count(answered, total.Broken, "broken off")
	count(answered, total.Refused, "refused")
	count(sent, total.SentBytes)
	count(missed, total.Missed)
	count(fetched, s.FetchedBytes)
	count(ended, s.Fetched, "complete")
	count(ended, s.Failed, "failed")
}
