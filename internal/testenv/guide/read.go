package guide

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Block is a fenced block of a document.
type Block struct {
	Document string // its file name
	Line     int    // of its first line of text
	Language string
	World    string // where it runs, "" for nowhere
	NotRun   string // why it is shown only
	File     string // what it is to be written to, "" for a block of commands
	Snippet  string // which text for a DHCP server it is, "" for none
	Text     string
	Answer   []string // the lines that it prints, nil if the document does not say
}

func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Document, b.Line) }

// Documents are those of a repository that show commands to users.
func Documents(repo string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(repo, "docs", "*.md"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no documents below %s: %w", repo, err)
	}
	return append([]string{filepath.Join(repo, "README.md"), filepath.Join(repo, "quadlet", "README.md")}, found...), nil
}

// Read returns the fenced blocks of a document.
func Read(path string) ([]Block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(filepath.Base(path), string(text))
}

func parse(document, text string) ([]Block, error) {
	var blocks []Block
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		indent, info, fence := opening(lines[i])
		if !fence {
			continue
		}
		b := Block{Document: document, Line: i + 2}
		if err := b.marks(info); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", document, i+1, err)
		}
		var body []string
		for i++; ; i++ {
			if i == len(lines) {
				return nil, fmt.Errorf("%s: the block does not end", b)
			}
			if strings.TrimSpace(lines[i]) == "```" {
				break
			}
			body = append(body, strings.TrimPrefix(lines[i], indent))
		}
		if info == "text answer" {
			if len(blocks) == 0 || blocks[len(blocks)-1].World == "" {
				return nil, fmt.Errorf("%s: an answer to nothing that runs", b)
			}
			blocks[len(blocks)-1].Answer = body
			continue
		}
		b.Text = strings.Join(body, "\n") + "\n"
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// opening holds for the line that begins a block; a block may stand in a list.
func opening(line string) (indent, info string, ok bool) {
	trimmed := strings.TrimLeft(line, " ")
	info, ok = strings.CutPrefix(trimmed, "```")
	return line[:len(line)-len(trimmed)], strings.TrimSpace(info), ok
}

// marks reads what stands behind the language.
func (b *Block) marks(info string) error {
	var rest string
	b.Language, rest, _ = strings.Cut(info, " ")
	if why, ok := strings.CutPrefix(rest, "not run: "); ok {
		b.NotRun = why
		return nil
	}
	for word := range strings.FieldsSeq(rest) {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case key == "run" && value != "":
			b.World = value
		case key == "snippet" && value != "":
			b.Snippet = value
		case key == "file" && strings.HasPrefix(value, "/"):
			b.File = value
		case info == "text answer":
		default:
			return fmt.Errorf("%q is no mark of a block; see package guide", word)
		}
	}
	return nil
}
