package kmod

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestLoad(t *testing.T) {
	x := testIndex(t, []Module{
		{Name: "virtio_net", Path: "virtio_net.ko", Deps: []string{"net_failover", "virtio"}},
		{Name: "net_failover", Path: "net_failover.ko", Deps: []string{"failover"}},
		{Name: "failover", Path: "failover.ko"},
		{Name: "r8169", Path: "r8169.ko", Pre: []string{"realtek", "absent"}, Post: []string{"late"}},
		{Name: "realtek", Path: "realtek.ko", Deps: []string{"libphy"}},
		{Name: "libphy", Path: "libphy.ko"},
		{Name: "late", Path: "late.ko"},
		{Name: "ring", Path: "ring.ko", Pre: []string{"round"}},
		{Name: "round", Path: "round.ko", Pre: []string{"ring"}},
		{Name: "needs_broken", Path: "needs_broken.ko", Deps: []string{"broken"}},
		{Name: "likes_broken", Path: "likes_broken.ko", Pre: []string{"broken"}},
		{Name: "broken", Path: "broken.ko"},
	}, []Alias{{"x:*", "virtio_net"}, {"x:*", "r8169"}})
	params := Params{Blacklist: map[string]bool{"r8169": true}, Options: map[string]string{"virtio_net": "napi_tx=0"}}
	for _, c := range []struct {
		load, want string
		fails      bool
	}{
		{"virtio-net", "failover.ko net_failover.ko virtio_net.ko(napi_tx=0 async_probe)", false},
		{"r8169", "libphy.ko realtek.ko r8169.ko(async_probe) late.ko", false},
		{"ring", "round.ko ring.ko(async_probe)", false},
		{"needs_broken", "broken.ko needs_broken.ko(async_probe)", true},
		{"likes_broken", "broken.ko likes_broken.ko(async_probe)", false},
		{"absent", "", false},
	} {
		var got []string
		l := NewLoader(x, params, func(path, options string) error {
			if options != "" {
				path += "(" + options + ")"
			}
			got = append(got, path)
			if path == "broken.ko" {
				return errors.New("broken")
			}
			return nil
		})
		if err := l.Load(c.load, "async_probe"); (err != nil) != c.fails {
			t.Errorf("Load(%s) = %v", c.load, err)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("Load(%s) inserted %q, want %q", c.load, s, c.want)
		}
		l.Load(c.load, "")
		if len(got) != len(strings.Fields(strings.ReplaceAll(c.want, "=0 a", "=0a"))) {
			t.Errorf("Load(%s) a second time inserted again: %q", c.load, got)
		}
	}
	if got := NewLoader(x, params, nil).Match("x:1"); !slices.Equal(got, []string{"virtio_net"}) {
		t.Errorf("Match gave %q: the blacklist was not kept", got)
	}
}

func TestLoadFromManyAtOnce(t *testing.T) {
	x := testIndex(t, []Module{
		{Name: "a", Path: "a.ko", Deps: []string{"c"}, Pre: []string{"b"}},
		{Name: "b", Path: "b.ko", Deps: []string{"c"}, Pre: []string{"a"}},
		{Name: "c", Path: "c.ko"},
	}, nil)
	var mu sync.Mutex
	count := map[string]int{}
	l := NewLoader(x, Params{}, func(path, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		count[path]++
		return nil
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { l.Load("a", "") })
		wg.Go(func() { l.Load("b", "") })
	}
	wg.Wait()
	for _, m := range []string{"a.ko", "b.ko", "c.ko"} {
		if count[m] != 1 {
			t.Errorf("%s was inserted %d times", m, count[m])
		}
	}
}
