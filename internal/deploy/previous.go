package deploy

import (
	"context"

	"bty/internal/doctor"
	"bty/internal/host"
)

// previousPort is where the previous system answers unless somebody has changed it.
const previousPort = 8080

// previous looks for the Python system on this host, as the doctor does. An appliance that was
// deployed has its port and its names: then there is nothing to look for.
func previous(ctx context.Context, root string, isDeployed bool) *doctor.Previous {
	if isDeployed {
		return nil
	}
	return host.Previous(ctx, root, previousPort)
}
