package config

import (
	"errors"
	"fmt"
	"io/fs"
)

// Obstacle is why an edit was not made; its text is what clients of the Settings page know.
type Obstacle string

const (
	UnknownSection Obstacle = "unknown section"
	UnknownKey     Obstacle = "unknown key"
	NoWritableFile Obstacle = "no writable bty.toml"
	Overridden     Obstacle = "env override for"
	InvalidValue   Obstacle = "invalid value for"
	WriteFailed    Obstacle = "write failed"
)

// EditError is an edit that was not made. Nothing was written.
type EditError struct {
	Obstacle Obstacle
	Key      string // "server.port"
	What     string // a sentence with the cause and the next step; never the value of a secret
	Cause    error
}

func (e *EditError) Error() string { return e.What }

func (e *EditError) Unwrap() error { return e.Cause }

// Code is the error as a URL carries it.
func (e *EditError) Code() string {
	switch e.Obstacle {
	case UnknownSection, UnknownKey, NoWritableFile:
		return string(e.Obstacle)
	}
	return string(e.Obstacle) + " " + e.Key
}

// Edit is a change that was made.
type Edit struct {
	Key      Key
	Path     string // of the file, "" if there was nothing to do
	Old, New string // values in force before and after, as the file has them
}

// editable finds the key of a form.
func editable(section, name string) (Key, *EditError) {
	key := section + "." + name
	if k, known := Find(key); known {
		return k, nil
	}
	for _, s := range Sections() {
		if s.Name == section {
			return Key{}, &EditError{Obstacle: UnknownKey, Key: key, What: fmt.Sprintf("%s is not a setting that bty knows; docs/configuration.md lists them", key)}
		}
	}
	return Key{}, &EditError{Obstacle: UnknownSection, Key: key, What: fmt.Sprintf("[%s] is not a section that bty knows; docs/configuration.md lists them", section)}
}

// Change writes text as the value of a key into the file that it belongs into; "" removes the key
// from the file that sets it. It does not put it in force: load again for that.
func Change(src Source, section, name, text string) (Edit, error) {
	k, unknown := editable(section, name)
	if unknown != nil {
		return Edit{}, unknown
	}
	now, _, err := Load(src)
	if err != nil {
		return Edit{}, &EditError{Obstacle: WriteFailed, Key: k.String(), What: err.Error() + "; nothing can be changed here before that", Cause: err}
	}
	if where := now.Origin(k.String()); where.Variable != "" || where.Cred != "" {
		return Edit{}, &EditError{Obstacle: Overridden, Key: k.String(),
			What: fmt.Sprintf("%s comes from the %s, which no file overrides; change it there, or remove it there and restart %s", k, where, k.Reader())}
	}
	edit := Edit{Key: k, Old: k.Value(now)}
	if text == "" {
		return edit, edit.remove(now)
	}
	value, err := k.value(text)
	if err != nil {
		return Edit{}, &EditError{Obstacle: InvalidValue, Key: k.String(), What: err.Error(), Cause: err}
	}
	edit.New = text
	return edit, edit.write(src, now.Origin(k.String()), value)
}

func (e *Edit) write(src Source, where Origin, value any) error {
	path, ok := src.target(where.File)
	switch {
	case !ok && where.File != "":
		return &EditError{Obstacle: NoWritableFile, Key: e.Key.String(),
			What: fmt.Sprintf("%s is set at %s, which bty-web may not write, and no stronger file can be written; change it there and reload", e.Key, where)}
	case !ok:
		return &EditError{Obstacle: NoWritableFile, Key: e.Key.String(),
			What: "bty-web may write none of its configuration files; change the setting in /etc/bty/bty.toml and reload, or let bty-web write one of them"}
	}
	e.Path = path
	return e.rewrite(func(doc []byte) ([]byte, error) { return setInDoc(doc, e.Key.Section, e.Key.Name, value) })
}

func (e *Edit) remove(now *Config) error {
	where := now.Origin(e.Key.String())
	if where.File == "" {
		return nil // it is not set
	}
	if !(place{path: where.File, exists: true}).writable() {
		return &EditError{Obstacle: NoWritableFile, Key: e.Key.String(),
			What: fmt.Sprintf("%s is set at %s, which bty-web may not write; remove it there and reload", e.Key, where)}
	}
	e.Path = where.File
	return e.rewrite(func(doc []byte) ([]byte, error) { return removeFromDoc(doc, e.Key.Section, e.Key.Name) })
}

// rewrite puts what edit makes of the file in its place.
func (e *Edit) rewrite(edit func([]byte) ([]byte, error)) error {
	failed := func(err error) error {
		return &EditError{Obstacle: WriteFailed, Key: e.Key.String(), What: fmt.Sprintf("%s could not be changed in %s (%v); change it there by hand and reload", e.Key, e.Path, unwrapPath(err)), Cause: err}
	}
	doc, err := readBounded(e.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed(err)
	}
	edited, err := edit(doc)
	if err != nil {
		return failed(err)
	}
	if len(edited) > maxFile {
		return failed(fmt.Errorf("it would be larger than %d bytes", maxFile))
	}
	if err := replaceFile(e.Path, edited); err != nil {
		return failed(err)
	}
	return nil
}
