package pyclient

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tools decompress from standard input to standard output.
var tools = map[string]string{"img.gz": "gzip", "img.zst": "zstd", "img.xz": "xz", "img.bz2": "bzip2"}

// flash writes the image. Of a registry's it asks again where the reference leads, and takes what
// it is told now.
func (c *Client) flash(ctx context.Context, i image, target string) error {
	curl := []string{"curl", "-fsSL", "--http1.1"}
	from, token := i.src, ""
	if strings.HasPrefix(i.src, "oras://") {
		b, err := c.resolve(ctx, i.src)
		if err != nil {
			return err
		}
		from, token, i.digest = b.url, b.token, b.digest
		curl = append(curl, "-H", "Authorization: Bearer "+token)
	}
	if c.CAs != "" {
		curl = append(curl, "--cacert", c.CAs)
	}
	curl = append(curl, from)
	var err error
	if i.format == "qcow2" {
		err = convert(ctx, curl, i.digest, target)
	} else {
		err = stream(ctx, curl, i, target)
	}
	if err != nil && token != "" {
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), token, "***"))
	}
	settle(ctx, target)
	return err
}

// stream is curl | dd (a meter) | tee (for sha256sum) | a decompressor | dd.
func stream(ctx context.Context, curl []string, i image, target string) error {
	l := &pipeline{ctx: ctx}
	defer l.close()
	l.add(curl...)
	l.add("dd", "bs=1M", "iflag=fullblock", "status=progress")
	var sum bytes.Buffer
	if i.digest != "" {
		if err := l.tee(&sum); err != nil {
			return err
		}
	}
	if tool := tools[i.format]; tool != "" {
		l.add(tool, "-d", "--stdout")
	}
	l.add("dd", "of="+target, "bs=4M", "oflag=direct", "conv=fsync", "status=progress")
	if err := l.run(); err != nil {
		return err
	}
	return proven(sum.String(), i.digest)
}

// proven compares after the disk has been written; nothing is undone.
func proven(sum, digest string) error {
	if digest == "" {
		return nil
	}
	if got, _, _ := strings.Cut(sum, " "); "sha256:"+got != digest {
		return fmt.Errorf("digest mismatch: got sha256:%s, want %s; flash again", got, digest)
	}
	return nil
}

// convert fetches to a file first: qcow2 alone is proven before the disk is touched.
func convert(ctx context.Context, curl []string, digest, target string) error {
	dir, err := os.MkdirTemp("", "pyclient-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "image.qcow2")
	if out, err := exec.CommandContext(ctx, curl[0], append(curl[1:], "-o", file)...).CombinedOutput(); err != nil {
		return fmt.Errorf("curl %w: %s", err, out)
	}
	sum, err := exec.CommandContext(ctx, "sha256sum", file).Output()
	if err == nil {
		err = proven(string(sum), digest)
	}
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "qemu-img", "convert", "-O", "raw", file, target).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img %w: %s", err, out)
	}
	return nil
}

// settle lets the kernel see the new partitions. A tool that is missing is passed over here; the
// real client takes it for a failure of the flash.
func settle(ctx context.Context, target string) {
	for _, argv := range [][]string{{"sync", target}, {"partprobe", target}, {"udevadm", "settle"}} {
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		_ = exec.CommandContext(limited, argv[0], argv[1:]...).Run()
		cancel()
	}
}
