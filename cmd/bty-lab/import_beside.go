package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/config"
	"bty/internal/deploy"
)

// beside says how the files of the previous state folder come to be read: they are taken as they
// are, so whoever has moved the folder has nothing to do.
func (i *importing) beside(ctx context.Context, old string) []string {
	state, boot := deploy.StateFolders(ctx, (&deployment{env: i.env}).defaultDir())
	if i.config.Paths.StateDir != config.DefaultStateDir { // somebody has named it
		state, boot = "", ""
	}
	state, boot = cmp.Or(state, i.config.Paths.StateDir), cmp.Or(boot, i.config.Paths.BootDir)
	lines := otherLive(filepath.Join(old, "boot"), i.config.Netboot.ArtifactVersion, i.whereSet())
	if isSame(old, state) {
		return lines
	}
	files := []string{notCopied(filepath.Join(old, "session-secret"), state, "the key of the session cookies"),
		notCopied(filepath.Join(old, "catalog.toml"), state, "the catalog that each start takes over"),
		notCopied(filepath.Join(old, "bty.toml"), state, "settings of the configuration"),
		notAllCopied(filepath.Join(old, "boot"), boot, state, "boot files"),
		notAllCopied(filepath.Join(old, "backups"), filepath.Join(state, "backups"), state, "inventories")}
	return append(slices.DeleteFunc(files, func(line string) bool { return line == "" }), lines...)
}

// notCopied says how a file comes here; "" if there is none, or one is here.
func notCopied(path, folder, what string) string {
	here := filepath.Join(folder, filepath.Base(path))
	if !exists(path) || exists(here) {
		return ""
	}
	return fmt.Sprintf("%s (%s) was not copied. If it is wanted here: cp -a %s %s/ && chown --reference=%s %s", path, what, path, folder, folder, here)
}

// notAllCopied says how what a folder has comes into the one here, which is there from the beginning
// and belongs to whom that of its owner does.
func notAllCopied(from, to, owner, what string) string {
	entries, err := os.ReadDir(from)
	if err != nil {
		return "" // there is none
	}
	var missing []string
	for _, e := range entries {
		if !exists(filepath.Join(to, e.Name())) {
			missing = append(missing, e.Name())
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%s that are not here: %s. If they are wanted: mkdir -p %[3]s; cp -an %[4]s/. %[3]s/; chown -R --reference=%[5]s %[3]s",
		what, several(missing), to, from, owner)
}

// otherLive says how the live environment in a boot folder of the previous system comes to be served, if
// it is of another version than is looked for: there that was the version of the server.
func otherLive(boot, version, where string) []string {
	kernels, err := filepath.Glob(filepath.Join(boot, "bty-netboot-pc-x86_64-v*.vmlinuz"))
	if err != nil || len(kernels) == 0 {
		return nil
	}
	var versions []string
	for _, path := range kernels {
		v := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "bty-netboot-pc-x86_64-v"), ".vmlinuz")
		if v == version {
			return nil
		}
		versions = append(versions, v)
	}
	return []string{fmt.Sprintf("%s has the live environment of bty %s, and %s is looked for here. If it is to be served: artifact_version = %q in [netboot] %s",
		boot, several(versions), version, versions[len(versions)-1], where)}
}

// whereSet says where a setting is for the bty-web that is asked, and how it comes to be read.
func (i *importing) whereSet() string {
	record, err := deploy.ReadRecord((&deployment{env: i.env}).defaultDir())
	if err != nil || record == nil {
		record = &deploy.Record{}
	}
	switch {
	case i.isComposed(), record.Mode == deploy.Compose: // its container sees no folder of the host
		return "on the page Settings, and podman restart bty-web"
	case record.User != nil:
		return "of " + record.Places().Config + "bty.toml, and systemctl --user restart bty-web"
	}
	return "of /etc/bty/bty.toml, and systemctl restart bty-web"
}

func isSame(a, b string) bool {
	one, errOne := os.Stat(a)
	two, errTwo := os.Stat(b)
	return errOne == nil && errTwo == nil && os.SameFile(one, two)
}
