package agent

import (
	"context"
	"encoding/json"
	"testing"

	"bty/internal/client/peer"
	"bty/internal/flash"
	"bty/internal/wire"
)

// That the cache failed is said once, so a server that was away then is told with the next stage; one
// that does not know the key refuses it, and hears of the rest.
func TestOriginIsTold(t *testing.T) {
	for code, times := range map[int]int{0: 1, 503: 2, 422: 1} {
		web := &peer.Web{Plan: flashPlan, Fault: func(route string, n int) peer.Fault {
			if route == "progress" && n == 2 {
				return peer.Fault{Code: code}
			}
			return peer.Fault{}
		}}
		b := newBench(t, web, dev("/dev/sdb", "S1"))
		b.agent.Flash = func(_ context.Context, _ flash.Request, report func(flash.Progress)) (flash.Result, error) {
			report(flash.Progress{Stage: flash.StageOpen})
			report(flash.Progress{Stage: flash.StageOrigin, Detail: "the cache failed; from the origin"})
			for _, stage := range []string{flash.StageWrite, flash.StageSync, flash.StageTable} {
				report(flash.Progress{Stage: stage})
			}
			return flash.Result{}, nil
		}
		if _, err := b.agent.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		said, stages := 0, map[string]int{}
		for _, r := range web.Requests("progress") {
			var p wire.Progress
			if err := json.Unmarshal(r.Body, &p); err != nil {
				t.Fatal(err)
			}
			if stages[p.Stage]++; p.Detail == "the cache failed; from the origin" {
				said++
			}
		}
		if said != times || stages[flash.StageWrite] != 1 || stages[flash.StageTable] != 1 {
			t.Errorf("%d: said %d times, want %d; %v", code, said, times, stages)
		}
		b.wantConsole(t, "bty: the cache failed; from the origin\n")
	}
}
