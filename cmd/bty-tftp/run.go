package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/ipxe"
	"bty/internal/machine"
	"bty/internal/message"
	"bty/internal/nbp"
	"bty/internal/systemd"
	"bty/internal/tftp"
)

// environment is everything that run takes from the process it runs in.
type environment struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
	hangup         <-chan struct{}
}

// run is the whole life of bty-tftp.
func run(ctx context.Context, env environment) error {
	flags, err := parse(env)
	if err != nil || flags.done {
		return err
	}
	source := config.Source{Paths: flags.config, Getenv: env.getenv}
	if flags.health {
		return daemon.AskHealth(ctx, "bty-tftp", config.RunDir(source), env.stdout)
	}
	sockets, err := systemd.Sockets(systemd.Expect{"tftp": systemd.Datagram})
	if err != nil {
		return message.Mark(message.WrongSockets, err)
	}
	cfg, warnings, err := config.Load(source)
	if err != nil {
		return message.Mark(message.ConfigRefused, err)
	}
	if flags.bootDir != "" {
		cfg.Paths.BootDir = flags.bootDir
	}
	log := slog.New(systemd.NewHandler(env.getenv, env.stderr, cfg.Log.Format, systemd.Level(cfg.Log.Level)))
	for _, w := range warnings {
		log.Warn(config.Doubtful, message.ConfigDoubtful, "err", w)
	}
	daemon.ProveDropped(log, env.getenv)
	if err := tftp.RefuseNetlink(); err != nil {
		log.Debug("netlink is not refused: single-port mode is slow", "err", err)
	}
	conns, err := listen(cfg, log, sockets, flags.listen)
	if err != nil {
		return message.Mark(message.CannotListen, err)
	}
	return serve(ctx, env, cfg, log, conns)
}

func serve(ctx context.Context, env environment, cfg *config.Config, log *slog.Logger, conns []*net.UDPConn) error {
	reports := newReporter(cfg.ReportSocket(), log)
	tasks := []daemon.Task{daemon.Func("reports", reports.Run)} // first, so that it outlives the transfers
	var servers []*tftp.Server
	for _, conn := range conns {
		s := tftp.New(conn, tftpConfig(cfg, log, reports))
		servers = append(servers, s)
		tasks = append(tasks, s)
	}
	health := daemon.ListenHealth("bty-tftp", cfg.Paths.RunDir, env.getenv, log)
	d := &daemon.Daemon{
		Health: health, Log: log, Hangup: env.hangup, Check: checkAll(servers, log),
		Status: func() string {
			var lines []string
			for _, s := range servers {
				lines = append(lines, s.Status())
			}
			return strings.Join(lines, "; ")
		},
	}
	return errors.Join(d.Run(ctx, tasks...), health.Close())
}

func tftpConfig(cfg *config.Config, log *slog.Logger, reports *reporter) tftp.Config {
	return tftp.Config{
		Files:    nbp.Library{Boot: cfg.Paths.BootDir, System: nbp.SystemDirs()},
		IsScript: nbp.IsAutoexec, IsProgram: nbp.IsProgram,
		Script: func(local netip.Addr) []byte {
			return ipxe.Autoexec(netip.AddrPortFrom(reachedAt(cfg, local), uint16(cfg.Server.Port)).String(), machine.ViaTFTP)
		},
		IsIPXE: reports.isIPXE, Report: reports.add, Log: log,
		SinglePort:   cfg.TFTP.Mode == config.TFTPSinglePort,
		MaxTransfers: cfg.TFTP.MaxTransfers, MaxPerClient: cfg.TFTP.MaxPerClient,
	}
}

// reachedAt is the address at which a machine reaches the pages: the one at which it reached us, unless
// the operator says otherwise. Behind a published port of a container, only the operator knows.
func reachedAt(cfg *config.Config, local netip.Addr) netip.Addr {
	if set, err := netip.ParseAddr(cfg.Netboot.Address); err == nil && (local.Is4() || local.Is4In6()) {
		return set
	}
	return local
}

// checkAll is the watchdog's check: a packet to ourselves on every socket. Where even the first
// does not arrive (a packet filter on loopback), the way is barred, not the loop stuck, and
// killing the daemon over it would help nobody.
func checkAll(servers []*tftp.Server, log *slog.Logger) func(context.Context) error {
	proven := make(map[*tftp.Server]bool)
	warned := false
	return func(ctx context.Context) error {
		for _, s := range servers {
			err := s.Check(ctx)
			if err == nil {
				proven[s] = true
				continue
			}
			if proven[s] {
				return err
			}
			if !warned {
				warned = true
				log.Warn("the watchdog cannot prove that TFTP works; let the socket unit allow localhost (IPAddressAllow=)", message.CheckBlind, "err", err)
			}
		}
		return nil
	}
}
