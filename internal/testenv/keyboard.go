package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Press presses keys of the machine's keyboard, one after another, by QEMU's names: "ret", "down".
func (m *Machine) Press(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		chord := map[string]any{"keys": []map[string]string{{"type": "qcode", "data": key}}}
		if err := m.qmp.run(ctx, "send-key", chord); err != nil {
			return fmt.Errorf("press %s on %s: %w", key, m.cfg.Name, err)
		}
		// QEMU holds a key for 100 ms, and takes the next one meanwhile for a chord's.
		select {
		case <-time.After(150 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// The memory of a VGA card in text mode: a letter and its colour, 80 in a line. The kernel scrolls
// by moving the screen's beginning within it, so all of it is looked at.
const (
	vgaText  = 0xb8000
	vgaSize  = 32 << 10
	vgaWidth = 80
)

// Text is what the memory of the machine's VGA card holds in text mode: the screen, and lines that
// have left it.
func (m *Machine) Text(ctx context.Context) (string, error) {
	file := filepath.Join(m.dir, "vga")
	defer os.Remove(file)
	if err := m.qmp.run(ctx, "pmemsave", map[string]any{"val": vgaText, "size": vgaSize, "filename": file}); err != nil {
		return "", fmt.Errorf("read the screen of %s: %w", m.cfg.Name, err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for i := 0; i+1 < len(raw); i += 2 {
		letter := raw[i]
		if letter < ' ' || letter > '~' {
			letter = ' '
		}
		text.WriteByte(letter)
		if i/2%vgaWidth == vgaWidth-1 {
			text.WriteByte('\n')
		}
	}
	return text.String(), nil
}

// WaitText waits until the VGA card's memory holds all of these.
func (m *Machine) WaitText(ctx context.Context, timeout time.Duration, wants ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		text, err := m.Text(ctx)
		if err != nil {
			return err
		}
		missing := ""
		for _, w := range wants {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the screen of %s never showed %q within %v:\n%s", m.cfg.Name, missing, timeout, text)
		}
	}
}
