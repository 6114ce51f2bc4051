package agent

import (
	"testing"

	"bty/internal/flash"
)

func TestEfforts(t *testing.T) {
	if got := effortsOf(flash.Result{}); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	r := flash.Result{Bottleneck: "disk", Efforts: flash.Efforts{Network: flash.Effort{Seconds: 1, CPU: 0.26}, Disk: flash.Effort{Seconds: 9.96}}}
	want := "the slowest stage was disk; at work were network 1.0 s (processor 0.3 s), digest 0.0 s (processor 0.0 s), decode 0.0 s (processor 0.0 s), disk 10.0 s (processor 0.0 s)"
	if got := effortsOf(r); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
