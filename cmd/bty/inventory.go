package main

import (
	"context"
	"encoding/json"
	"fmt"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/hardware"
	"bty/internal/wire"
)

// inventory prints what a server would be told about this machine.
func inventory(ctx context.Context, e env, args []string) error {
	f := newFlags("inventory")
	asJSON := f.Bool("json", false, "")
	if err := f.parse(args); err != nil {
		return err
	}
	tree, err := e.hardware()
	if err != nil {
		return fmt.Errorf("describe the hardware: %w", err)
	}
	disks, err := e.disks(ctx)
	if err != nil {
		return err
	}
	inv := wire.Inventory{LSHW: tree}
	for _, d := range disks {
		inv.Disks = append(inv.Disks, d.ToMachineDisk())
	}
	if *asJSON {
		return writeJSON(e.stdout, client.Fit(inv))
	}
	var root hardware.Node
	if err := json.Unmarshal(tree, &root); err != nil {
		return fmt.Errorf("read the description of the hardware: %w", err)
	}
	e.printNode(root)
	return e.diskTable(disks)
}

// printNode prints a line for each part that a person would ask for.
func (e env) printNode(n hardware.Node) {
	if line := summary(n); line != "" {
		fmt.Fprintln(e.stdout, agent.Printable(line))
	}
	for _, c := range n.Children {
		e.printNode(c)
	}
}

func summary(n hardware.Node) string {
	switch {
	case n.Class == "system":
		return fmt.Sprintf("machine    %s %s, serial %s, booted by %s", dash(n.Vendor), dash(n.Product), dash(n.Serial), n.Configuration["boot"])
	case n.ID == "core" && n.Product != "":
		return fmt.Sprintf("board      %s %s, serial %s", dash(n.Vendor), n.Product, dash(n.Serial))
	case n.ID == "firmware":
		return fmt.Sprintf("firmware   %s %s of %s", dash(n.Vendor), dash(n.Version), dash(n.Date))
	case n.Class == "processor" && n.Claimed:
		return fmt.Sprintf("processor  %s, %s cores, %s threads", dash(n.Product), dash(n.Configuration["cores"]), dash(n.Configuration["threads"]))
	case n.ID == "memory":
		return "memory     " + agent.Bytes(int64(n.Size))
	case n.Class == "network":
		return fmt.Sprintf("network    %s %s, %s, driver %s", n.LogicalName, n.Serial, dash(n.Product), dash(n.Configuration["driver"]))
	}
	return ""
}
