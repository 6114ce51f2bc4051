package deploy

import "fmt"

// Files are what a site needs on the host, whatever is there.
func (s Site) Files(dir string) []File {
	switch s.Mode {
	case Host:
		return s.hostFiles()
	case Quadlet:
		return s.quadletFiles()
	case Compose:
		return s.composeFiles(dir)
	}
	return nil
}

// settingsPath is the weakest file of the configuration: whatever the operator sets counts more.
const settingsPath = "/etc/bty/conf.d/10-deploy.toml"

func (s Site) hostFiles() []File {
	if !s.Address.Is4() {
		return nil // [netboot] address is of IPv4, which firmware speaks
	}
	return []File{{Path: settingsPath, Mode: 0o644, Kind: "settings", Service: "bty-web",
		Content: fmt.Sprintf("# Made by bty-lab deploy. What /etc/bty/bty.toml says counts more.\n[netboot]\naddress = %q\n", s.Address)}}
}
