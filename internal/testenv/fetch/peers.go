package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/testenv/aptget"
)

// tftpServers are the packages of TFTP servers and the program that is wanted of each. They are
// unpacked, not installed: installed they would be services of this machine, on the port of ours.
var tftpServers = []struct{ name, program string }{{"tftpd-hpa", "in.tftpd"}, {"atftpd", "atftpd"}}

func fetchPeers(ctx context.Context, work string) error {
	dir := filepath.Join(work, "peers")
	if m, ok := holds(dir); ok {
		fmt.Printf("peers: %s %s are in %s\n", m.Package, m.Version, dir)
		return nil
	}
	tmp, err := os.MkdirTemp(work, "peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	apt, err := openApt(ctx, filepath.Join(tmp, "apt"), aptget.Running)
	if err != nil {
		return err
	}
	finished := filepath.Join(tmp, "peers")
	if err := os.Mkdir(finished, 0o755); err != nil {
		return err
	}
	var m Manifest
	var names, packages, versions []string
	for _, s := range tftpServers {
		version, err := fetchPeer(ctx, apt, s.name, s.program, filepath.Join(tmp, s.name), finished)
		if err != nil {
			return err
		}
		names = append(names, s.program, s.name+".copyright")
		packages, versions = append(packages, s.name), append(versions, version)
	}
	m.Package, m.Version, m.Licence = strings.Join(packages, " "), strings.Join(versions, " "), tftpServers[0].name+".copyright"
	if err := m.seal(finished, names); err != nil {
		return err
	}
	fmt.Printf("peers: fetched %s into %s\n", m.Package, dir)
	return replace(finished, dir)
}

// fetchPeer copies one program and its licence out of its package.
func fetchPeer(ctx context.Context, apt *aptget.Apt, name, program, root, into string) (version string, err error) {
	deb, err := apt.Download(ctx, name)
	if err != nil {
		return "", err
	}
	if version, err = apt.Version(ctx, deb); err != nil {
		return "", err
	}
	if err := apt.Extract(ctx, deb, root); err != nil {
		return "", err
	}
	if err := copyFile(filepath.Join(root, "usr/share/doc", name, "copyright"), filepath.Join(into, name+".copyright")); err != nil {
		return "", err
	}
	if err := copyFile(filepath.Join(root, "usr/sbin", program), filepath.Join(into, program)); err != nil {
		return "", err
	}
	return version, os.Chmod(filepath.Join(into, program), 0o755)
}
