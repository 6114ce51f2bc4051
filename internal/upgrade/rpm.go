package upgrade

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// rpm is the book of Fedora and what is like it.
type rpm struct{}

func (rpm) ending() string { return ".rpm" }

// canRepack is false: rpm keeps neither the file nor all that a package is made of.
func (rpm) canRepack() bool { return false }

func (rpm) repack(context.Context, string, string) error {
	return errors.New("rpm cannot make a package of what is installed; name the file with --previous")
}

const rpmVersion = "%{VERSION}-%{RELEASE}"

func (rpm) installed(ctx context.Context) (string, error) {
	out, err := tool(ctx, "rpm", "--query", "--queryformat", rpmVersion, packageName)
	if _, ok := errors.AsType[*toolError](err); ok { // no such package
		return "", nil
	}
	return strings.TrimSpace(out), err
}

func (rpm) about(ctx context.Context, file string) (string, error) {
	out, err := tool(ctx, "rpm", "--query", "--nosignature", "--queryformat", "%{NAME} "+rpmVersion, "--package", file)
	if err != nil {
		return "", fmt.Errorf("%s is no rpm package that can be read: %w", file, err)
	}
	name, version, _ := strings.Cut(strings.TrimSpace(out), " ")
	if name != packageName {
		return "", refused("package", fmt.Sprintf("%s is the package %s, not bty", file, name), "Name the package of bty")
	}
	return version, nil
}

func (rpm) edited(ctx context.Context) ([]Edited, error) {
	out, err := tool(ctx, "rpm", "--verify", "--nodeps", packageName)
	if _, ok := errors.AsType[*toolError](err); err != nil && !ok {
		return nil, err
	}
	return parseVerify(out, ".rpmnew"), nil
}

func (rpm) size(ctx context.Context, file string) (int64, error) {
	out, err := tool(ctx, "rpm", "--query", "--nosignature", "--queryformat", "%{SIZE}", "--package", file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(out), 10, 64)
}

// changes takes the digests that the package itself has of its files.
func (rpm) changes(ctx context.Context, file string) ([]Change, error) {
	out, err := tool(ctx, "rpm", "--query", "--nosignature", "--queryformat", "[%{FILEDIGESTS} %{FILENAMES}\n]", "--package", file)
	if err != nil {
		return nil, err
	}
	offered := map[string]string{}
	for line := range strings.Lines(out) {
		if sum, path, ok := strings.Cut(strings.TrimSpace(line), " "); ok && sum != "" {
			offered[path] = sum
		}
	}
	installed, err := tool(ctx, "rpm", "--query", "--list", packageName)
	if err != nil {
		return nil, err
	}
	return compareFiles(offered, strings.Fields(installed))
}

func (rpm) install(ctx context.Context, file string) error {
	return toItsEnd(ctx, moving, file+logEnding, "rpm", "--upgrade", "--oldpackage", "--replacepkgs", file)
}
