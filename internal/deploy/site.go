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

// settingsName is the weakest file of the configuration: whatever the operator sets counts more.
const settingsName = "conf.d/10-deploy.toml"

func (s Site) hostFiles() []File {
	at := s.Places().Config
	text := fmt.Sprintf("# Made by bty-lab deploy. What %sbty.toml says counts more.\n", at)
	switch {
	case s.Address.Is4():
		text += fmt.Sprintf("[netboot]\naddress = %q\n", s.Address)
	case s.User == nil:
		return nil // [netboot] address is of IPv4, which firmware speaks
	} // the folder of a user's has to be there for containers, and nothing else makes it
	return []File{{Path: at + settingsName, Mode: 0o644, Kind: "settings", Service: "bty-web", Content: text}}
}
