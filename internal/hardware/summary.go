package hardware

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Summary is what people want to know of a machine at a glance.
type Summary struct {
	System  string // vendor and product
	Serial  string
	CPUs    []CPU
	Memory  uint64 // bytes
	Modules int    // of memory that are plugged in
	NICs    []NIC
}

// CPU is one socket with a processor in it.
type CPU struct {
	Name  string
	Cores int // 0 while not known
}

// NIC is one network interface.
type NIC struct{ Name, MAC, Product string }

// lshw is one device as any `lshw -json` prints it: fields are there or not, a logical name is a
// text or a list, and a number may be a text.
type lshw struct {
	ID, Class, Description, Product, Vendor, Serial string
	LogicalName                                     any
	Size                                            any
	Configuration                                   map[string]any
	Children                                        []lshw
}

// Summarise reads the tree that a machine reported; ok is false if it is none.
func Summarise(tree json.RawMessage) (s Summary, ok bool) {
	var root lshw
	var roots []lshw
	if json.Unmarshal(tree, &root) != nil {
		if json.Unmarshal(tree, &roots) != nil || len(roots) == 0 {
			return s, false
		}
		root = roots[0]
	}
	s.System = strings.TrimSpace(named(root.Vendor) + " " + named(root.Product))
	s.Serial = named(root.Serial)
	s.walk(root, 0)
	return s, true
}

// maxDepth bounds how deep a tree is read, maxParts how much of each kind is listed.
const (
	maxDepth = 32
	maxParts = 64
)

func (s *Summary) walk(n lshw, depth int) {
	switch {
	case depth > maxDepth:
		return
	case n.Class == "processor":
		s.processor(n)
	case n.Class == "memory" && n.ID == "memory":
		s.memory(n)
		return
	case n.Class == "network":
		s.nic(n)
	}
	for _, child := range n.Children {
		s.walk(child, depth+1)
	}
}

func (s *Summary) processor(n lshw) {
	name := first(named(n.Product), named(n.Description))
	if strings.Contains(n.Description, "[empty]") || len(s.CPUs) == maxParts {
		return
	}
	cores := 0
	for _, key := range []string{"enabledcores", "cores"} {
		if cores == 0 {
			cores, _ = strconv.Atoi(fmt.Sprint(n.Configuration[key]))
		}
	}
	s.CPUs = append(s.CPUs, CPU{first(name, "CPU"), cores})
}

// memory adds the modules of a board, or what the board says as a whole.
func (s *Summary) memory(n lshw) {
	var sum uint64
	for _, bank := range n.Children {
		if size := amount(bank.Size); strings.HasPrefix(bank.ID, "bank") && size > 0 {
			sum += size
			s.Modules++
		}
	}
	if sum == 0 {
		sum = amount(n.Size)
	}
	s.Memory += sum
}

func (s *Summary) nic(n lshw) {
	if len(s.NICs) == maxParts {
		return
	}
	name, _ := n.LogicalName.(string)
	if names, isList := n.LogicalName.([]any); isList && len(names) > 0 {
		name, _ = names[0].(string)
	}
	s.NICs = append(s.NICs, NIC{tidy(name), strings.ToLower(tidy(n.Serial)), strings.TrimSpace(named(n.Vendor) + " " + named(n.Product))})
}

func amount(v any) uint64 {
	switch v := v.(type) {
	case float64:
		if v > 0 && v < 1<<62 {
			return uint64(v)
		}
	case string:
		n, _ := strconv.ParseUint(v, 10, 64)
		return n
	}
	return 0
}

// Cores is how many the machine has in all its sockets.
func (s Summary) Cores() (n int) {
	for _, c := range s.CPUs {
		n += c.Cores
	}
	return n
}
