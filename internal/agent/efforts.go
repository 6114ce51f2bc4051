package agent

import (
	"fmt"
	"strings"

	"bty/internal/flash"
)

// Remarks shows what there is to say of a flash besides how it ended.
func (c *Console) Remarks(r flash.Result, err error) {
	for _, note := range r.Notes {
		c.Line("%s", note)
	}
	if text := effortsOf(r); err == nil && text != "" {
		c.Line("%s", text)
	}
}

// effortsOf says where the time of a flash went; "" if it was over at once.
func effortsOf(r flash.Result) string {
	if r.Bottleneck == "" {
		return ""
	}
	var stages []string
	for _, s := range []struct {
		name string
		flash.Effort
	}{{"network", r.Efforts.Network}, {"digest", r.Efforts.Digest}, {"decode", r.Efforts.Decode}, {"disk", r.Efforts.Disk}} {
		stages = append(stages, fmt.Sprintf("%s %.1f s (processor %.1f s)", s.name, s.Seconds, s.CPU))
	}
	return fmt.Sprintf("the slowest stage was %s; at work were %s", r.Bottleneck, strings.Join(stages, ", "))
}
