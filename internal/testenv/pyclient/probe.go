package pyclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"time"
)

// image is what the client knows of an image before it writes it.
type image struct {
	src    string // as the plan has it
	format string // "" when unknown
	digest string // "sha256:<hex>", "" when nobody declared one
	size   int64  // -1 when unknown
}

// formats in the order in which their suffixes are looked for.
var formats = []string{"img.zst", "img.xz", "img.gz", "img.bz2", "qcow2", "img"}

func formatOf(name, hint string) string {
	for _, f := range formats {
		if strings.HasSuffix(strings.ToLower(name), "."+f) {
			return f
		}
	}
	return hint
}

// probe asks whether an image is there: a HEAD, or of a registry all that leads to the blob.
func (c *Client) probe(ctx context.Context, src, hint, sha string) (image, error) {
	u, err := url.Parse(src)
	if err != nil {
		return image{}, err
	}
	switch u.Scheme {
	case "http", "https":
		return c.head(ctx, src, formatOf(path.Base(u.Path), hint), sha)
	case "oras":
		b, err := c.resolve(ctx, src)
		if err != nil {
			return image{}, err
		}
		format := "img.gz" // of a layer without a title
		if b.title != "" {
			format = formatOf(b.title, "")
		}
		return image{src: src, format: format, size: b.size}, nil
	}
	return image{}, fmt.Errorf("unsupported source %s", src)
}

func (c *Client) head(ctx context.Context, src, format, sha string) (image, error) {
	resp, err := c.open(ctx, http.MethodHead, src, nil, 30*time.Second)
	if err != nil {
		return image{}, fmt.Errorf("%s is not reachable: %w", src, err)
	}
	resp.Body.Close()
	size, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64)
	if err != nil {
		size = -1
	}
	digest := ""
	if sha != "" {
		digest = "sha256:" + strings.TrimPrefix(sha, "sha256:")
	}
	return image{src: src, format: format, digest: digest, size: size}, nil
}

// validate lists what speaks against the flash. What cannot be found out speaks for it.
func (c *Client) validate(ctx context.Context, i image, target string) []string {
	var problems []string
	if i.format == "" {
		problems = append(problems, "image format is unknown")
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode()&os.ModeDevice == 0 || info.Mode()&os.ModeCharDevice != 0 {
		return append(problems, "target is missing or not a block device")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if mounts, err := exec.CommandContext(ctx, "lsblk", "-no", "MOUNTPOINTS", target).Output(); err == nil && strings.TrimSpace(string(mounts)) != "" {
		problems = append(problems, target+" is in use")
	}
	size, err := exec.CommandContext(ctx, "lsblk", "-bndo", "SIZE", target).Output()
	first, _, _ := strings.Cut(strings.TrimSpace(string(size)), "\n")
	room, bad := strconv.ParseInt(first, 10, 64)
	if err == nil && bad == nil && i.format == "img" && i.size > room {
		problems = append(problems, fmt.Sprintf("image (%d bytes) is larger than the target (%d bytes)", i.size, room))
	}
	return problems
}
