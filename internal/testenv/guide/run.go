package guide

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Shell runs a script with bash in a world and returns what it printed, standard error included.
type Shell func(ctx context.Context, script string) (output string, err error)

// Run runs the blocks that a document has for a world, in one shell, and returns how many these are.
func Run(ctx context.Context, shell Shell, world, path string) (int, error) {
	all, err := Read(path)
	if err != nil {
		return 0, err
	}
	var blocks []Block
	for _, b := range all {
		if b.World == world {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		return 0, nil
	}
	output, err := shell(ctx, Script(blocks))
	said := split(output)
	if err != nil {
		return 0, failed(blocks, said, err)
	}
	for _, b := range blocks {
		got, ran := said[b.Line]
		if !ran {
			return 0, fmt.Errorf("%s: the shell ended before it, without an error", b)
		}
		if b.Answer != nil && !Matches(b.Answer, got) {
			return 0, fmt.Errorf("%s: the document has the answer\n%s\nand it was\n%s", b, strings.Join(b.Answer, "\n"), got)
		}
	}
	return len(blocks), nil
}

// mark stands before what each block prints.
const mark = "\x01block "

// Script is the blocks as one script, which says which of them it is at.
func Script(blocks []Block) string {
	var s strings.Builder
	s.WriteString("exec 2>&1\nset -euo pipefail\n")
	for _, b := range blocks {
		fmt.Fprintf(&s, "printf '\\n%s%d\\n'\n", `\001block `, b.Line)
		if b.File != "" {
			fmt.Fprintf(&s, "mkdir -p \"$(dirname %[1]s)\"\ncat >%[1]s <<'END OF THE FILE'\n%[2]sEND OF THE FILE\n", b.File, b.Text)
			continue
		}
		s.WriteString(b.Text)
	}
	return s.String()
}

// split is what each block printed, by its line.
func split(output string) map[int]string {
	said := map[int]string{}
	for part := range strings.SplitSeq(output, "\n"+mark) {
		number, text, _ := strings.Cut(part, "\n")
		if line, err := strconv.Atoi(number); err == nil {
			said[line] = text
		}
	}
	return said
}

// failed says which block ended the shell: the last that began.
func failed(blocks []Block, said map[int]string, err error) error {
	for i := len(blocks) - 1; i >= 0; i-- {
		if got, began := said[blocks[i].Line]; began {
			return fmt.Errorf("%s: %w\n--- it shows\n%s--- it printed\n%s", blocks[i], err, blocks[i].Text, got)
		}
	}
	return fmt.Errorf("%s: the shell did not come to its first block: %w", blocks[0].Document, err)
}

// Matches compares what was printed with what a document shows: "..." in a line stands for
// anything, a line of "..." alone for any lines.
func Matches(want []string, got string) bool {
	return lines(want, strings.Split(strings.Trim(got, "\n"), "\n"))
}

func lines(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if strings.TrimSpace(want[0]) == "..." {
		for skip := range len(got) + 1 {
			if lines(want[1:], got[skip:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && line(strings.Split(want[0], "..."), got[0]) && lines(want[1:], got[1:])
}

// line looks for the parts in their order, the first at the begin and the last at the end.
func line(parts []string, got string) bool {
	rest, ok := strings.CutPrefix(got, parts[0])
	if len(parts) == 1 {
		return ok && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		if !ok {
			return false
		}
		_, rest, ok = strings.Cut(rest, part)
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}
