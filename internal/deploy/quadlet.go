package deploy

import "context"

func (s Site) quadletFiles() []File { return nil }

func (d *planner) quadlet() {}

func (e *Engine) podmanSecret(ctx context.Context, hash string) error { return nil }

func (s Site) composeFiles(dir string) []File { return nil }

func (d *planner) compose() {}

func (d *planner) purgeContainers(data bool) {}
