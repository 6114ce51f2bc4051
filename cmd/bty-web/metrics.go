package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bty/internal/build"
)

// newMetrics is what /metrics serves.
func newMetrics(a *app) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bty_machines", Help: "Machines that are known."},
			func() float64 { return float64(a.fleet.Count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bty_database_bytes", Help: "Size of the database file."},
			func() float64 { return float64(a.state.Size()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bty_commits_total", Help: "Transactions written to disk since the start."},
			func() float64 { return float64(a.state.Commits()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bty_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": build.Version}},
			func() float64 { return 1 }),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}
