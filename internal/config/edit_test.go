package config

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2/unstable"
)

func TestEditShapes(t *testing.T) {
	for _, tt := range []struct {
		name, before string
		section, key string
		value        any // nil removes
		after        string
	}{
		{"empty file", "", "server", "port", int64(80), "[server]\nport = 80\n"},
		{"new section", "# mine\n", "server", "host", "::", "# mine\n\n[server]\nhost = \"::\"\n"},
		{"new section, no last newline", "[log]\nformat = 'text'", "server", "host", "::", "[log]\nformat = 'text'\n\n[server]\nhost = \"::\"\n"},
		{"in place, comment and spacing kept", "[server]\n\tport  =  8080   # the old one\n# end\n", "server", "port", int64(80), "[server]\n\tport  =  80   # the old one\n# end\n"},
		{"string for string", "[server]\nhost = 'a' # c\n", "server", "host", `b"\`, "[server]\nhost = \"b\\\"\\\\\" # c\n"},
		{"multi-line string", "[server]\nhost = \"\"\"\na\nb\"\"\" # c\nport = 1\n", "server", "host", "x", "[server]\nhost = \"x\" # c\nport = 1\n"},
		{"control characters", "", "server", "host", "a\tb\n\x7f", "[server]\nhost = \"a\\u0009b\\u000A\\u007F\"\n"},
		{"non-ASCII", "", "server", "host", "ü密", "[server]\nhost = \"ü密\"\n"},
		{"into a section, behind its last key", "[server]\nhost = 'a' # first\n\n# about the log\n[log]\nformat = ''\n", "server", "port", int64(1), "[server]\nhost = 'a' # first\nport = 1\n\n# about the log\n[log]\nformat = ''\n"},
		{"into an empty section", "[server] # here\n\n[log]\n", "server", "port", int64(1), "[server] # here\nport = 1\n\n[log]\n"},
		{"into the last section without a newline", "[server]", "server", "port", int64(1), "[server]\nport = 1\n"},
		{"dotted", "server.port = 1 # p\n[log]\n", "server", "port", int64(2), "server.port = 2 # p\n[log]\n"},
		{"dotted neighbour", "server.port = 1 # p\nlog.format = ''\n", "server", "host", "h", "server.port = 1 # p\nserver.host = \"h\"\nlog.format = ''\n"},
		{"quoted", "\"server\".'port' = 1\n", "server", "port", int64(2), "\"server\".'port' = 2\n"},
		{"quoted header", "[ \"server\" ]\n'port'=1\n", "server", "port", int64(2), "[ \"server\" ]\n'port'=2\n"},
		{"inline", "server = { port = 1, host = 'h' } # c\n", "server", "port", int64(2), "server = { port = 2, host = 'h' } # c\n"},
		{"into an inline table", "server = { port = 1 } # c\n", "server", "host", "h", "server = { port = 1, host = \"h\" } # c\n"},
		{"into an empty inline table", "server = {} # c\n", "server", "host", "h", "server = { host = \"h\" } # c\n"},
		{"CRLF", "[server]\r\nport = 1\r\n", "server", "host", "h", "[server]\r\nport = 1\r\nhost = \"h\"\r\n"},
		{"CRLF, new section", "[server]\r\n", "log", "format", "json", "[server]\r\n\r\n[log]\r\nformat = \"json\"\r\n"},
		{"subtable only", "[server.deep]\nx = 1\n", "server", "port", int64(1), "[server.deep]\nx = 1\n\n[server]\nport = 1\n"},
		{"subtable after", "[server]\n[server.deep]\nport = 1\n", "server", "port", int64(2), "[server]\nport = 2\n[server.deep]\nport = 1\n"},
		{"same name elsewhere", "[tftp]\nport = 69\n[server]\nport = 1\n", "server", "port", int64(2), "[tftp]\nport = 69\n[server]\nport = 2\n"},
		{"list of tables before", "[[list]]\nport = 1\n[server]\nport = 1\n", "server", "port", int64(2), "[[list]]\nport = 1\n[server]\nport = 2\n"},

		{"remove", "[server]\nport = 1\nhost = 'h'\n", "server", "port", nil, "[server]\nhost = 'h'\n"},
		{"remove, comment kept", "[server]\n  port = 1 # why\n", "server", "port", nil, "[server]\n  # why\n"},
		{"remove the last line", "[server]\nport = 1", "server", "port", nil, "[server]\n"},
		{"remove CRLF", "[server]\r\nport = 1\r\nhost = 'h'\r\n", "server", "port", nil, "[server]\r\nhost = 'h'\r\n"},
		{"remove what is not there", "[server]\n# port = 1\n", "server", "port", nil, "[server]\n# port = 1\n"},
		{"remove dotted", "# a\nserver.port = 1\nserver.host = 'h'\n", "server", "port", nil, "# a\nserver.host = 'h'\n"},
		{"remove the first of an inline table", "server = { port = 1, host = 'h' }\n", "server", "port", nil, "server = { host = 'h' }\n"},
		{"remove the last of an inline table", "server = { port = 1, host = 'h' }\n", "server", "host", nil, "server = { port = 1  }\n"},
		{"remove the only one of an inline table", "server = { port = 1 } # c\n", "server", "port", nil, "server = {  } # c\n"},
		{"remove of several lines", "[server]\nhost = '''\na # no comment\n''' # c\n", "server", "host", nil, "[server]\n# c\n"},
		{"remove from an inline table of several lines", "server = {\n  port = 1, # p\n  host = 'h' # h\n}\n", "server", "host", nil, "server = {\n  port = 1 # p\n   # h\n}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			var err error
			if tt.value == nil {
				got, err = removeFromDoc([]byte(tt.before), tt.section, tt.key)
			} else {
				got, err = setInDoc([]byte(tt.before), tt.section, tt.key, tt.value)
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.after {
				t.Errorf("got\n%q, want\n%q", got, tt.after)
			}
		})
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	for name, before := range map[string]string{
		"list of tables":   "[[server]]\nport = 1\n",
		"section is value": "server = 5\n",
		"broken":           "[server\n",
		"key is a table":   "[server.port]\nx = 1\n",
	} {
		if got, err := setInDoc([]byte(before), "server", "port", int64(1)); err == nil {
			t.Errorf("%s: became %q", name, got)
		}
	}
	if _, err := setInDoc(nil, "server", "host", "\xff"); err == nil {
		t.Error("bytes that are no text")
	}
}

// comments are those of a document, sorted.
func comments(doc []byte) (found []string) {
	p := unstable.Parser{KeepComments: true}
	p.Reset(doc)
	var walk func(n *unstable.Node)
	walk = func(n *unstable.Node) {
		if n.Kind == unstable.Comment {
			found = append(found, strings.TrimSpace(string(n.Data)))
		}
		for it := n.Children(); it.Next(); {
			walk(it.Node())
		}
	}
	for p.NextExpression() {
		walk(p.Expression())
	}
	slices.Sort(found)
	return found
}

// Whatever the file looks like: an edit changes one key and keeps all else, or it is refused.
func FuzzEdit(f *testing.F) {
	for _, doc := range []string{"", "[server]\nport = 1 # c\n", "server.port=1", "server = { port = 1, host = 'x' }", "server={port=1,# c\nhost='x',}",
		"[[server]]", "# a\r\n[server]\r\n# b\r\n", "\"server\" = {} # x", "[server]\nhost = '''\n# no\n'''", "server = {\n\n}", "[a]\nserver.port = 1",
		"[server . deep]\nport=1", "a = [\n# c\n1]\n[server]#x\n\n#y"} {
		f.Add([]byte(doc), "value", true)
		f.Add([]byte(doc), "va\"l\\u\ne#", false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, value string, remove bool) {
		before, err := settingsOf(doc)
		if err != nil {
			return
		}
		edited, err := setInDoc(doc, "server", "host", value)
		if remove {
			edited, err = removeFromDoc(doc, "server", "host")
		}
		if err != nil {
			return // the file stays as it is
		}
		after, err := settingsOf(edited)
		if err != nil {
			t.Fatalf("%q became %q: %v", doc, edited, err)
		}
		delete(before, "server.host")
		if got, ok := after["server.host"]; remove && ok || !remove && got != value {
			t.Errorf("%q became %q", doc, edited)
		}
		delete(after, "server.host")
		if len(before) != len(after) {
			t.Errorf("%q became %q", doc, edited)
		}
		if a, b := comments(doc), comments(edited); !slices.Equal(a, b) {
			t.Errorf("%q became %q: comments %q, then %q", doc, edited, a, b)
		}
		if !remove && !bytes.Contains(edited, []byte("host")) {
			t.Errorf("%q", edited)
		}
	})
}
