package main

import (
	"fmt"
	"io"
)

const helpHead = `bty puts a disk image on a disk of this machine.

Usage:
  bty [--catalog C]
         the wizard: choose an image and a disk on this terminal
  bty --server URL [--mac MAC] [--reboot[=false]]
         do what the server says for this machine: flash, report the hardware, ask a person
         (the wizard), or nothing
`

const helpFlags = `
Option of the wizard:
  --catalog C    where the images are listed: http(s) or oras URL of a catalog.toml, the path of
                 one, or a folder of image files

Options of the server-driven run:
  --server URL   base URL or host of bty-web; a bare host means http:// and port 80
                 (default with --mac: bty-server)
  --mac MAC      the machine, by the address of the NIC it boots from; any usual spelling. Without
                 it: the NIC toward the server, or another with a link that the server knows
  --reboot       reboot when the work is done. Without it only a machine that was booted for
                 this (bty.mac=MAC on its kernel command line) reboots; --reboot=false: never

Options of flash:
  --image I      http(s) URL, oras://host/owner/repo:tag (or @sha256:...), path, or - for
                 standard input (which needs --yes)
  --disk D       serial number as "bty disks" prints it, or a path like /dev/sda
  --sha256 HEX   digest that the image's bytes must have as they are transferred
  --format F     img, img.gz, img.zst, img.xz, img.bz2, qcow2 (default: by name and content)
  --no-digest    do not compute the SHA-256 of the image
  --grow         let the last partition end with the disk (not the file system in it)
  --verify       read the disk back before it is made bootable, and compare
  --yes          do not ask; without it the word "yes" must be typed on a terminal
  --json         progress and result as JSON, one object a line

Environment (or, in a live environment, bty.<name>= on the kernel command line):
  BTY_ORAS_PLAIN_HTTP        registries, as host:port with commas between, asked over http
                             (bty.oras.plain_http=)
  BTY_ORAS_MIRRORS           registry=mirror[:port][/prefix] with commas between; mirrors are
                             asked first (bty.oras.mirrors=)
  BTY_ORAS_CREDENTIALS_FILE  docker's config.json with what registries want of who pulls
                             (bty.oras.credentials_file=)
  BTY_CA_FILE                CA certificates in PEM to trust beside the system's (bty.ca_file=)
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY as everywhere

  bty --version  print the version
  bty --help     print this

Exit status:
`

func printHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	for _, c := range commands() {
		fmt.Fprintf(w, "  bty %s %s\n         %s\n", c.name, c.args, c.does)
	}
	fmt.Fprint(w, helpFlags)
	printCodes(w)
}
