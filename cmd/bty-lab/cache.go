package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/doctor"
)

// cacheFacts is what the image cache says of itself; nil if it is off, or not this user's to ask.
func (a *appliance) cacheFacts(ctx context.Context) *doctor.Cache {
	if !exists(a.config.CacheSocket()) {
		return nil
	}
	c := client.NewCache(a.config.CacheSocket(), "bty-lab/"+build.Version)
	defer c.Close()
	s, err := c.Status(ctx)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return &doctor.Cache{Down: strings.TrimSuffix(err.Error(), ".")}
	}
	return &doctor.Cache{Problem: strings.TrimSuffix(s.Problem, "."), Images: len(s.Blobs), Held: s.HeldBytes, Free: s.FreeBytes}
}

// cacheState is what it holds and does, for the bundle.
func (a *appliance) cacheState(ctx context.Context, ask func(context.Context, *client.Control, string, io.Writer) error, w io.Writer) error {
	socket := a.config.CacheSocket()
	if !exists(socket) {
		_, err := fmt.Fprintln(w, `"the image cache of this host is off"`)
		return err
	}
	c := client.NewControl(socket, "bty-lab/"+build.Version)
	defer c.Close()
	return ask(ctx, c, "/status", w)
}
