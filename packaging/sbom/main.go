// Command sbom prints the bill of materials of the packages: of all programs in a folder. See
// internal/sbom; packaging/stage.sh calls it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"bty/internal/sbom"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "", "`version` of the package")
	vendored := flags.String("vendored", "internal/web/ui/vendor.txt", "`file` that lists the files of others in the pages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 || *version == "" {
		return fmt.Errorf("usage: sbom -version VERSION PROGRAM...")
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH=%q is not a number of seconds", os.Getenv("SOURCE_DATE_EPOCH"))
	}
	bill := sbom.New(cdx.ComponentTypeApplication, "bty", *version, time.Unix(seconds, 0))
	for _, program := range flags.Args() {
		if err := bill.AddProgram(filepath.Clean(program)); err != nil {
			return err
		}
	}
	list, err := os.ReadFile(*vendored)
	if err != nil {
		return err
	}
	parts, err := sbom.Vendored(list, "internal/web/ui")
	if err != nil {
		return err
	}
	bill.Add(parts...)
	document, err := bill.JSON()
	if err != nil {
		return err
	}
	_, err = stdout.Write(document)
	return err
}
