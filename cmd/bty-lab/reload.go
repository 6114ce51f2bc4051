package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"bty/internal/config"
)

// reloaded is what bty-web says of a configuration that it has read again.
type reloaded struct {
	Changed []string `json:"changed"`
	Restart []string `json:"restart"`
	Reload  []string `json:"reload"`
}

// reload has the running appliance read its configuration again. The unit's ExecReload= calls it:
// unlike a signal, it is not over before the work is, and fails if the work does.
func reload(ctx context.Context, e env) error {
	a := &appliance{env: e}
	if err := a.parse(a.flagSet("reload", "reload\n\nHas bty-web read its configuration again. One that is not valid changes nothing."), 0); err != nil {
		return err
	}
	if err := a.load(config.Source{Getenv: a.getenv}); err != nil {
		// bty-web is to hear of it all the same: it says so in its status and in its log.
		if err := a.load(config.Source{Paths: []string{os.DevNull}, Getenv: a.getenv}); err != nil {
			return err
		}
	}
	server := a.server()
	defer server.Close()
	var outcome reloaded
	if err := server.Call(ctx, "POST", "/reload", nil, &outcome); err != nil {
		return err
	}
	if len(outcome.Changed) == 0 {
		fmt.Fprintln(a.stdout, "nothing has changed")
		return nil
	}
	fmt.Fprintln(a.stdout, "changed:", strings.Join(outcome.Changed, ", "))
	if len(outcome.Restart) > 0 {
		fmt.Fprintln(a.stdout, "needs a restart:", strings.Join(outcome.Restart, ", "))
	}
	if len(outcome.Reload) > 0 {
		fmt.Fprintln(a.stdout, "needs a reload:", strings.Join(outcome.Reload, ", "))
	}
	return nil
}
