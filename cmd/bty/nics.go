package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"bty/internal/agent"
	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/machine"
	"bty/internal/wire"
)

// nic is one NIC that has a link.
type nic struct {
	name   string
	mac    machine.MAC
	toward bool // the way to the server goes through it
}

// linkedNICs are those of this machine with a link, the one toward the server first.
func linkedNICs(server client.Server) ([]nic, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the NICs: %w", err)
	}
	from := sourceAddress(server)
	var list []nic
	for _, i := range interfaces {
		mac, err := machine.ParseMAC(i.HardwareAddr.String())
		if err != nil || i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagRunning == 0 {
			continue
		}
		list = append(list, nic{i.Name, mac, hasAddress(i, from)})
	}
	return askable(list, isHardware), nil
}

// askable are those that a server may know, the one toward it first. What containers and virtual
// machines on this host have is none of them: to ask for it would make a machine of it. A bond, a
// bridge or a VLAN has the address of its NIC, and counts once.
func askable(nics []nic, hardware func(name string) bool) (list []nic) {
	for _, toward := range []bool{true, false} {
		for _, n := range nics {
			known := slices.ContainsFunc(list, func(l nic) bool { return l.mac == n.mac })
			if n.toward == toward && !known && (toward || hardware(n.name)) {
				list = append(list, n)
			}
		}
	}
	return list
}

// isHardware: a NIC that software makes hangs on no device.
func isHardware(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", name, "device"))
	return err == nil
}

// sourceAddress is the address that this machine talks to the server from. Connecting a datagram
// socket sends nothing.
func sourceAddress(server client.Server) net.IP {
	u, err := url.Parse(string(server))
	if err != nil {
		return nil
	}
	conn, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), "9"))
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP
}

func hasAddress(i net.Interface, ip net.IP) bool {
	addresses, err := i.Addrs()
	if err != nil || ip == nil {
		return false
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}

// findMAC is the MAC that the server knows this machine by. Asking for the plan of an unknown one
// makes a machine of it, which is told to report itself: so the NIC toward the server is asked for
// first, and the others only while the answers are that.
func (e env) findMAC(ctx context.Context, server client.Server, console *agent.Console) (machine.MAC, error) {
	nics, err := e.nics(server)
	if err != nil {
		return machine.MAC{}, err
	}
	if len(nics) == 0 {
		return machine.MAC{}, failf(codeServer, "no NIC of this machine has a link: plug in a cable, or name the machine with --mac")
	}
	for _, n := range nics {
		if len(nics) == 1 {
			break // there is nothing to choose
		}
		plan, err := e.planOf(ctx, server, n.mac)
		if client.Retryable(err) {
			break // the run asks again, for longer
		}
		if err != nil {
			return machine.MAC{}, err
		}
		if plan.Mode != wire.PlanInventory {
			console.Line("the server knows this machine as %s (%s)", n.mac, n.name)
			return n.mac, nil
		}
	}
	console.Line("this machine is %s (%s)", nics[0].mac, nics[0].name)
	return nics[0].mac, nil
}

func (e env) planOf(ctx context.Context, server client.Server, mac machine.MAC) (wire.Plan, error) {
	c := client.New(server, mac, build.Version)
	defer c.Close()
	plan, err := c.Plan(ctx)
	if ctx.Err() != nil {
		return wire.Plan{}, ctx.Err()
	}
	if err != nil {
		return wire.Plan{}, &agent.ServerError{Server: server, Cause: err}
	}
	return plan, nil
}
