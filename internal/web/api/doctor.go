package api

import (
	"net/http"

	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func aboutDoctor() []openapi.Operation {
	return []openapi.Operation{{Pattern: "GET /api/v1/doctor", Tag: "boot files", Summary: "What is wrong with netboot, and what to do about it",
		Details: "Judged by the DHCP traffic that was seen and by facts of the host. The findings are the worst first; those that DHCP servers can mend name the texts for them, which stand filled in under snippets.",
		Answers: openapi.Answers(openapi.Encoded(200, wire.Diagnosis{}))}}
}

func (c Config) doctor(w http.ResponseWriter, _ *http.Request) error {
	serve.JSON(w, http.StatusOK, c.Doctor())
	return nil
}
