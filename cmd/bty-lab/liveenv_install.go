package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"

	"bty/internal/client"
	"bty/internal/liveenv/builder"
	"bty/internal/wire"
)

// install hands both files to the server, which switches to them in one step.
func install(ctx context.Context, stdout io.Writer, server *client.Control, report builder.Report) error {
	body, media := stream(report.Kernel, report.Initrd)
	defer body.Close()
	var answer wire.Installed
	if err := server.Send(ctx, http.MethodPost, "/api/v1/boot", media, body, -1, &answer); err != nil {
		return fmt.Errorf("the server did not take the files: %w", err)
	}
	for _, file := range answer.Files {
		if _, err := fmt.Fprintf(stdout, "installed %s, %d bytes, SHA-256 %s\n", file.Name, file.Size, file.SHA256); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(stdout, "The next machine that boots from the network gets it.")
	return err
}

// stream is a form with files, made while it is read.
func stream(files ...string) (body io.ReadCloser, media string) {
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		var err error
		for _, file := range files {
			if err = part(form, file); err != nil {
				break
			}
		}
		w.CloseWithError(errors.Join(err, form.Close()))
	}()
	return r, form.FormDataContentType()
}

func part(form *multipart.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w, err := form.CreateFormFile("file", filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}
