package testenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// MachineConfig describes one machine.
type MachineConfig struct {
	Name      string // for its folder and its console's log
	MAC       string
	Firmware  Firmware
	MemoryMiB int    // 1024 if 0
	NIC       string // QEMU's name of the model; virtio-net-pci if empty
	Disks     []Disk
	NoReboot  bool        // a reboot switches the machine off
	FromDisk  bool        // its firmware does not try the network
	Direct    *DirectBoot // instead of what the firmware would find
	Extra     []string    // more of QEMU's command line
}

// DirectBoot starts a kernel without the firmware's help.
type DirectBoot struct {
	Kernel, Initrd, Append string
}

// Machine is a computer on the LAN. It is off until PowerOn, and can be switched on again.
type Machine struct {
	Console *Log // the first serial port, over all power cycles

	lan  *LAN
	cfg  MachineConfig
	dir  string
	tap  string
	qemu *Process
	qmp  *qmp
}

// NewMachine plugs a machine into the LAN, switched off.
func (l *LAN) NewMachine(ctx context.Context, cfg MachineConfig) (*Machine, error) {
	dir := filepath.Join(l.Dir, cfg.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	tap, err := l.AddTap(ctx)
	if err != nil {
		return nil, err
	}
	return &Machine{Console: NewLog(cfg.Name + "'s console"), lan: l, cfg: cfg, dir: dir, tap: tap}, nil
}

func (m *Machine) args() ([]string, error) {
	firmware, err := m.cfg.Firmware.args(m.dir)
	if err != nil {
		return nil, err
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-name", m.cfg.Name,
		// KVM is not asked for: it is absent on many build machines and hangs on some.
		"-accel", "tcg", "-m", strconv.Itoa(cmp.Or(m.cfg.MemoryMiB, 1024)),
		"-chardev", "stdio,id=serial0,signal=off", "-serial", "chardev:serial0",
		"-qmp", "unix:" + m.qmpPath() + ",server=on,wait=off",
	}
	args = append(args, firmware...)
	args = append(args, m.cfg.Firmware.nic(cmp.Or(m.cfg.NIC, "virtio-net-pci"), m.tap, m.cfg.MAC, m.cfg.FromDisk || m.cfg.Direct != nil)...)
	for i, d := range m.cfg.Disks {
		args = append(args, d.args(i)...)
	}
	if d := m.cfg.Direct; d != nil {
		args = append(args, "-kernel", d.Kernel, "-initrd", d.Initrd, "-append", d.Append)
	}
	if m.cfg.NoReboot {
		args = append(args, "-no-reboot")
	}
	return append(args, m.cfg.Extra...), nil
}

func (m *Machine) qmpPath() string { return filepath.Join(m.dir, "qmp") }

// PowerOn switches the machine on.
func (m *Machine) PowerOn(ctx context.Context) error {
	if m.On() {
		return fmt.Errorf("machine %s is on already", m.cfg.Name)
	}
	args, err := m.args()
	if err != nil {
		return err
	}
	_ = os.Remove(m.qmpPath()) // of the last power cycle
	qemu, err := m.lan.start(Program{Name: m.cfg.Name + "'s QEMU", Path: m.cfg.Firmware.qemu(), Args: args}, m.Console)
	if err != nil {
		return err
	}
	m.qemu = qemu
	m.qmp, err = dialQMP(ctx, m.qmpPath(), qemu.Done())
	if err != nil {
		qemu.Kill()
		return fmt.Errorf("switching on %s: %w\n%s", m.cfg.Name, err, qemu.Log.Tail(10))
	}
	return nil
}

// On reports whether the machine is switched on.
func (m *Machine) On() bool {
	if m.qemu == nil {
		return false
	}
	select {
	case <-m.qemu.Done():
		return false
	default:
		return true
	}
}

// PowerCut takes the power away, at once. It does nothing to a machine that is off.
func (m *Machine) PowerCut() {
	if m.On() {
		m.qemu.Kill()
		m.qmp.close()
	}
}

// Reset presses the reset button.
func (m *Machine) Reset(ctx context.Context) error {
	return m.qmp.do(ctx, "system_reset", nil)
}

// WaitOff waits until the machine has switched itself off.
func (m *Machine) WaitOff(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := m.qemu.Wait(ctx); err != nil {
		return fmt.Errorf("waiting for %s to switch itself off: %w", m.cfg.Name, err)
	}
	m.qmp.close()
	return nil
}

// Unplug takes a disk out, at once; only one on USB gives the machine no say in it.
func (m *Machine) Unplug(ctx context.Context, disk int) error {
	return m.qmp.run(ctx, "device_del", map[string]any{"id": deviceID(disk)})
}

// SetCable pulls or plugs the machine's network cable.
func (m *Machine) SetCable(ctx context.Context, plugged bool) error {
	return m.lan.SetCable(ctx, m.tap, plugged)
}

// Written is how many bytes the machine has written to its disk since it was switched on.
func (m *Machine) Written(ctx context.Context, disk int) (int64, error) {
	var stats []struct {
		Device string `json:"device"`
		Stats  struct {
			WrBytes int64 `json:"wr_bytes"`
		} `json:"stats"`
	}
	if err := m.qmp.do(ctx, "query-blockstats", &stats); err != nil {
		return 0, err
	}
	for _, s := range stats {
		if s.Device == "disk"+strconv.Itoa(disk) {
			return s.Stats.WrBytes, nil
		}
	}
	return 0, fmt.Errorf("machine %s has no disk %d", m.cfg.Name, disk)
}

// WaitWritten waits until the machine has written n bytes to a disk: the middle of a flash.
func (m *Machine) WaitWritten(ctx context.Context, disk int, n int64, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		written, err := m.Written(ctx, disk)
		if err != nil {
			return err
		}
		if written >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has written %d bytes of %d within %v: %w", m.cfg.Name, written, n, timeout, ctx.Err())
		case <-m.qemu.Done():
			return errors.New(m.cfg.Name + " went off before it had written enough")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
