package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// storm has a thousand machines switched on at the same moment: each asks for its script, two
// boot files, posts its inventory, asks for its plan and reports.
func storm(ctx context.Context, build string, _ time.Duration) error {
	const machines = 1000
	s, err := start(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	boot := filepath.Join(s.dir, "state", "boot")
	for _, name := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"} {
		if err := os.WriteFile(filepath.Join(boot, name), make([]byte, 16<<10), 0o644); err != nil {
			return err
		}
	}
	var (
		mu     sync.Mutex
		took   = map[string][]time.Duration{}
		failed []string
		wg     sync.WaitGroup
	)
	gate := make(chan struct{})
	for i := range machines {
		wg.Go(func() {
			<-gate
			each, err := s.bootOnce(macOf(i))
			mu.Lock()
			defer mu.Unlock()
			for step, d := range each {
				took[step] = append(took[step], d)
			}
			if err != nil {
				failed = append(failed, err.Error())
			}
		})
	}
	begin := time.Now()
	close(gate)
	wg.Wait()
	fmt.Printf("\n## A boot storm: %d machines at the same moment, 6 requests each (boot files of 16 KiB)\n\n", machines)
	fmt.Printf("all done in %.2f s, %d machines failed\n\n| request | answers | p50 | p99 | slowest |\n|---|---|---|---|---|\n", time.Since(begin).Seconds(), len(failed))
	for _, step := range []string{"script", "kernel", "initrd", "inventory", "plan", "status"} {
		d := took[step]
		slices.Sort(d)
		fmt.Printf("| %s | %d | %.1f ms | %.1f ms | %.1f ms |\n", step, len(d), ms(d[len(d)/2]), ms(d[len(d)*99/100]), ms(d[len(d)-1]))
	}
	if len(failed) > 0 {
		fmt.Println("\nfirst failure:", failed[0])
	}
	return nil
}

func (s *server) bootOnce(mac string) (map[string]time.Duration, error) {
	c, err := dial(s.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	steps := []struct {
		name    string
		request []byte
	}{
		{"script", get("/pxe/" + mac)},
		{"kernel", get("/boot/bty-live-x86_64.vmlinuz?mac=" + mac)},
		{"initrd", get("/boot/bty-live-x86_64.initrd?mac=" + mac)},
		{"inventory", post("/pxe/"+mac+"/inventory", `{"disks":[{"path":"/dev/nvme0n1","size":"953.9G","vendor":null,"model":"Fast 1TB","serial":"S`+mac+`","tran":"nvme","removable":false,"readonly":false}],"lshw":{"id":"machine","class":"system"}}`)},
		{"plan", get("/pxe/" + mac + "/plan")},
		{"status", post("/pxe/"+mac+"/status", `{"status":"done"}`)},
	}
	took := map[string]time.Duration{}
	for _, step := range steps {
		at := time.Now()
		status, _, err := c.ask(step.request)
		if err != nil {
			return took, fmt.Errorf("%s of %s: %w", step.name, mac, err)
		}
		if status/100 != 2 {
			return took, fmt.Errorf("%s of %s: status %d", step.name, mac, status)
		}
		took[step.name] = time.Since(at)
	}
	return took, nil
}
