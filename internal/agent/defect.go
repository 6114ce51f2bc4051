package agent

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"bty/internal/flash"
)

// Defect is a panic of a flash. What is on the disk then nobody can say.
type Defect struct{ Panic any }

func (d *Defect) Error() string {
	return fmt.Sprintf("a defect in bty: %v; what is on the disk is not known, flash it again", d.Panic)
}

// flashed is Flash with a panic made an error: the server must hear that the flash failed, and who
// reports its progress must end. The console has the stack.
func (a *Agent) flashed(ctx context.Context, req flash.Request, report func(flash.Progress)) (done flash.Result, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err = &Defect{p}
		for line := range strings.Lines(string(debug.Stack())) {
			a.Console.Line("%s", strings.TrimRight(line, "\n"))
		}
	}()
	return a.Flash(ctx, req, report)
}
