package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"bty/internal/config"
	"bty/internal/message"
	"bty/internal/proxy"
	"bty/internal/systemd"
	"bty/internal/wire"
)

// followsReload reports whether a key is taken up by a reload of this daemon: its own that are, and
// those of all daemons that it reads anew.
func followsReload(k config.Key) bool {
	return k.Reload() == "bty-cache" || k.String() == "log.level" || k.String() == "server.port"
}

// ours are the sections that bty-cache reads.
var ours = []string{"cache", "oras", "log", "server", "paths"}

// hangup reads the configuration again, on SIGHUP.
func (a *app) hangup(context.Context) error {
	_, err := a.reread()
	return err
}

// readAgain is hangup for `systemctl reload`, which comes over the control socket: the daemon that
// answers a SIGHUP tells the service manager and the log by itself.
func (a *app) readAgain() (wire.CacheReloaded, error) {
	outcome, err := a.reread()
	if err != nil {
		a.log.Error("reload failed; the configuration in force stays", message.ReloadFailed, "err", err)
	}
	if err := systemd.Status("%s", a.status()); err != nil {
		a.log.Warn("the service manager did not hear us", message.ManagerDeaf, "err", err)
	}
	return outcome, err
}

// reread loads the configuration and puts in force what can be. That it could not be read stays in
// the line for people until it can.
func (a *app) reread() (wire.CacheReloaded, error) {
	a.loading.Lock()
	defer a.loading.Unlock()
	next, warnings, err := config.Load(a.started.Source())
	outcome := wire.CacheReloaded{Changed: []string{}, Restart: []string{}}
	if err == nil {
		outcome = changes(a.config(), next)
		err = a.apply(next)
	}
	a.reloadFailed.Store(&err)
	if err != nil {
		return wire.CacheReloaded{}, err
	}
	for _, w := range warnings {
		a.log.Warn(config.Doubtful, message.ConfigDoubtful, "err", w)
	}
	a.level.Set(systemd.Level(next.Log.Level))
	a.log.Info("the configuration was read again", message.ConfigReloaded, "outcome", proxy.Reloaded(outcome))
	return outcome, nil
}

func changes(before, after *config.Config) wire.CacheReloaded {
	o := wire.CacheReloaded{Changed: []string{}, Restart: []string{}}
	for _, k := range config.Keys() {
		if k.Value(before) == k.Value(after) || !slices.Contains(ours, k.Section) {
			continue
		}
		o.Changed = append(o.Changed, k.String())
		if !followsReload(k) {
			o.Restart = append(o.Restart, k.String())
		}
	}
	return o
}

// reloadTime is how long the daemon may take for it.
const reloadTime = 20 * time.Second

// socketOf is where the one that runs is reached. A configuration that cannot be read is its to judge:
// it says so in its status as well.
func socketOf(source config.Source) string {
	source.Partial = true
	cfg, _, err := config.Load(source)
	if err != nil {
		cfg = &config.Config{}
		cfg.Paths.RunDir = cmp.Or(source.Getenv("BTY_PATHS_RUN_DIR"), config.DefaultRunDir)
	}
	return cfg.CacheSocket()
}

// askReload has the one that runs read its configuration again, and says what that brought.
func askReload(ctx context.Context, source config.Source, out io.Writer) error {
	socket := socketOf(source)
	client := &http.Client{Timeout: reloadTime, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bty-cache/reload", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("reach bty-cache: %w; is it running (systemctl status bty-cache)?", err)
	}
	defer resp.Body.Close()
	var answer struct {
		wire.CacheReloaded
		Detail string `json:"detail"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("read the answer of bty-cache: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(answer.Detail)
	}
	_, err = fmt.Fprintln(out, proxy.Reloaded(answer.CacheReloaded))
	return err
}
