package contract

import (
	"strings"
	"testing"
)

func TestSection04_Bootstrap(t *testing.T) {
	script := on(t).Anonymous("GET", "/pxe-bootstrap.ipxe", nil, "Host", "10.0.0.1:8080").Is(200).Body
	if !strings.HasPrefix(script, "#!ipxe\n") || !strings.Contains(script, "chain ") || !strings.Contains(script, "http://10.0.0.1:8080/pxe/${mac:hexhyp}") || strings.Contains(script, "net0/mac") {
		t.Error(script)
	}
}

// commands are the lines of a script that do something, without the retries around them.
func commands(script string) []string {
	var list []string
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if word, _, _ := strings.Cut(line, " "); word == "set" || word == "kernel" || word == "initrd" || word == "boot" {
			line, _, _ = strings.Cut(line, " || ")
			list = append(list, line)
		}
	}
	return list
}

func TestSection04_LiveAndFlash(t *testing.T) {
	c := on(t)
	kernel, initrd := c.Live("vmlinuz"), c.Live("initrd")
	differs(t, "the scripts try each fetch again a bounded number of times; the old ones gave up at once")
	for _, mode := range []string{"bty-tui", "bty-inventory", "bty-flash-once", "bty-flash-always"} {
		t.Run(mode, func(t *testing.T) {
			c := on(t)
			mac := c.FreshMAC()
			entry := c.Bind(mac, mode)
			script := c.Anonymous("GET", "/pxe/"+mac, nil, "Host", "10.0.0.1:8080").Is(200, "#!ipxe", "set bty-base http://10.0.0.1:8080").Body
			script = strings.ReplaceAll(script, "${buildarch}", "x86_64")
			var fetches []string
			for _, line := range commands(script) {
				if !strings.HasPrefix(line, "set try") {
					fetches = append(fetches, strings.Fields(line)[0])
				}
			}
			if strings.Join(fetches, " ") != "set kernel initrd boot" {
				t.Errorf("commands %v\n%s", fetches, script)
			}
			for _, want := range []string{"${bty-base}/boot/" + kernel + "?mac=" + mac, "${bty-base}/boot/" + initrd + "?mac=" + mac, "bty.server=${bty-base}", "bty.mac=" + mac,
				"console=tty0", "console=ttyS0,115200"} {
				if !strings.Contains(script, want) {
					t.Errorf("does not say %s\n%s", want, script)
				}
			}
			for _, never := range []string{"quiet", "bty.mode", "bty.image_url", "bty.image_format", "bty.target_disk_serial", "bty.provisioning", "\nshell", "\nmenu"} {
				if strings.Contains(script, never) {
					t.Errorf("says %s\n%s", never, script)
				}
			}
			if strings.HasPrefix(mode, "bty-flash") {
				for _, want := range []string{"target_disk_serial: SER1", entry["bty_image_ref"].(string), "# bty_image_ref: "} {
					if !strings.Contains(script, want) {
						t.Errorf("does not say %s\n%s", want, script)
					}
				}
			}
		})
	}
}

// TestSection04_KernelArguments holds for the old live environment, whose squashfs the kernel's
// arguments name. A server that has one of its own may need fewer.
func TestSection04_KernelArguments(t *testing.T) {
	c := on(t)
	base := strings.TrimSuffix(c.Live("vmlinuz"), ".vmlinuz")
	if !strings.HasPrefix(base, "bty-netboot-pc-x86_64-v") {
		differs(t, "this server boots a live environment of its own, whose arguments are its own")
		return
	}
	mac := c.FreshMAC()
	c.Put(mac, `{"boot_mode":"bty-tui"}`)
	var line string
	for _, command := range commands(c.Script(mac)) {
		if strings.HasPrefix(command, "kernel ") {
			line = command
		}
	}
	want := []string{"kernel", "${bty-base}/boot/" + base + ".vmlinuz?mac=" + mac, "boot=live", "fetch=${bty-base}/boot/" + base + ".squashfs", "components", "console=tty0",
		"console=ttyS1,115200", "console=ttyS0,115200", "earlyprintk=ttyS0,115200", "plymouth.enable=0", "modprobe.blacklist=nouveau,rndis_host", "nouveau.modeset=0",
		"systemd.gpt_auto=0", "bty.server=${bty-base}", "bty.mac=" + mac}
	got := strings.Fields(line)
	var known []string
	for _, word := range got { // further arguments may stand between
		for _, w := range want {
			if word == w {
				known = append(known, word)
			}
		}
	}
	if strings.Join(known, " ") != strings.Join(want, " ") || strings.Contains(line, "\t") || strings.Contains(line, "  ") {
		t.Errorf("got  %s\nwant %s", line, strings.Join(want, " "))
	}
}

func TestSection04_Disk(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Put(mac, `{"labels":["rack 1"],"sanboot_drive":"0x81"}`)
	script := c.Script(mac)
	guard, disk := strings.Index(script, "iseq ${platform} efi"), strings.Index(script, "sanboot --no-describe --drive 0x81 || exit")
	if guard < 0 || disk < guard || strings.Contains(script, "kernel") || !strings.Contains(script, "rack 1") || !strings.Contains(script, "\nsleep 1") ||
		!strings.Contains(script, mac) || !strings.Contains(script, "ipxe-exit") {
		t.Error(script)
	}
}

func TestSection04_ExitAndUnknown(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	orphan := strings.Repeat("1f", 32)
	c.Put(mac, `{"boot_mode":"bty-flash-once","bty_image_ref":"`+orphan+`","target_disk_serial":"S"}`)
	if script := c.Script(mac); !strings.Contains(script, orphan[:12]) || !strings.Contains(script, "\nexit") || strings.Contains(script, "sanboot") || Starts(script) {
		t.Error(script)
	}
	c.Put(mac, `{"boot_mode":"bty-flash-once","sanboot_drive":"0x85"}`)
	if script := c.Script(mac); !strings.Contains(script, "--drive 0x80") || !strings.Contains(script, "\nsleep 5") || Starts(script) {
		t.Error(script)
	}
}

// A serial is free text and stands in a comment of the script.
func TestSection04_SerialIsNoCommand(t *testing.T) {
	c := on(t)
	differs(t, "the serial is made harmless; it was put into the script as it came")
	c.Live("vmlinuz")
	mac := c.FreshMAC()
	entry := c.Image("x.img")
	c.Put(mac, `{"boot_mode":"bty-flash-once","bty_image_ref":"`+entry["bty_image_ref"].(string)+`","target_disk_serial":"x\nshell\n${y}"}`)
	if script := c.Script(mac); strings.Contains(script, "\nshell") || strings.Contains(script, "${y}") || !Starts(script) {
		t.Error(script)
	}
	if serial := c.Plan(mac)["target_disk_serial"]; serial != "x\nshell\n${y}" {
		t.Errorf("the plan says it as it is: %q", serial)
	}
}
