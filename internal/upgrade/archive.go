package upgrade

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// refName is the annotation of an OCI archive that says what its image is called.
const refName = "org.opencontainers.image.ref.name"

// maxIndex bounds what is read of an archive's index.
const maxIndex = 1 << 20

// referenceIn reads what the image in an archive is called.
func referenceIn(archive string) (string, error) {
	file, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer file.Close()
	for members := tar.NewReader(file); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("%s is no OCI archive: it has no index.json", archive)
		}
		if err != nil {
			return "", fmt.Errorf("%s cannot be read: %w", archive, err)
		}
		if filepath.Clean(header.Name) != "index.json" {
			continue
		}
		var index struct {
			Manifests []struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"manifests"`
		}
		if err := json.NewDecoder(io.LimitReader(members, maxIndex)).Decode(&index); err != nil {
			return "", fmt.Errorf("%s: index.json: %w", archive, err)
		}
		for _, m := range index.Manifests {
			if name := m.Annotations[refName]; name != "" {
				return name, nil
			}
		}
		return "", fmt.Errorf("%s does not say what its image is called (%s)", archive, refName)
	}
}

// archives finds the images in a folder by name: bty-web of localhost/bty-web:1.2.3.
func archives(folder string) (map[string]archive, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "bty-*.tar"))
	if err != nil {
		return nil, err
	}
	found := map[string]archive{}
	for _, path := range paths {
		if !strings.HasSuffix(path, "."+machineName()+".tar") {
			continue
		}
		reference, err := referenceIn(path)
		if err != nil {
			return nil, err
		}
		prefix, name, tag := splitReference(reference)
		found[name] = archive{path, prefix, tag}
	}
	return found, nil
}

// archive is a file with one image.
type archive struct{ path, prefix, tag string }

// splitReference takes localhost/bty-web:1.2.3 apart.
func splitReference(reference string) (prefix, name, tag string) {
	last := strings.LastIndexByte(reference, '/')
	if last >= 0 {
		prefix = reference[:last]
	}
	name, tag, _ = strings.Cut(reference[last+1:], ":")
	return prefix, name, tag
}
