package pxe

import (
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

// Operations describes the routes of Register.
func Operations() []openapi.Operation {
	const tag = "machines at boot"
	script := openapi.Plain("text/plain; charset=utf-8")
	via := openapi.Param{Name: "via", Text: "how the firmware loaded iPXE", Schema: openapi.OneOf("tftp", "http")}
	reported := func(text string) []openapi.Answer { return openapi.Answers(openapi.Empty(204, text), 404) }
	return []openapi.Operation{
		{Pattern: "GET /pxe-bootstrap.ipxe", Tag: tag, Access: openapi.Open, Summary: "The first iPXE script: it names the machine and fetches the next",
			Query: []openapi.Param{via}, Answers: openapi.Answers(script)},
		{Pattern: "GET /pxe/{mac}", Tag: tag, Access: openapi.Open, Writes: true, Summary: "What a machine is to boot now, as an iPXE script",
			Details: "Records the machine when it is not known yet.",
			Query: []openapi.Param{via, {Name: "arch", Text: "iPXE's ${buildarch}"},
				{Name: "try", Text: "how often this script was asked for in vain"}},
			Answers: openapi.Answers(script)},
		{Pattern: "GET /pxe/{mac}/plan", Tag: tag, Access: openapi.Open, Writes: true, Summary: "What a live environment is to do now",
			Details: "Records the machine when it is not known yet. An image at a cache is /b/<base64url of its source>/<name>: a client may go on at the source when the cache is gone.",
			Answers: openapi.Answers(openapi.Encoded(200, wire.Plan{}))},
		{Pattern: "POST /pxe/{mac}/inventory", Tag: tag, Access: openapi.Open, Summary: "A machine's disks and hardware",
			Request: openapi.JSON(func(v body.Value) { _, _ = readInventory(v) }), Answers: reported("recorded")},
		{Pattern: "POST /pxe/{mac}/status", Tag: tag, Access: openapi.Open, Summary: "The end of a flash: done, or failed with a reason",
			Request: openapi.JSON(func(v body.Value) { _, _ = readStatus(v) }), Answers: reported("recorded")},
		{Pattern: "POST /pxe/{mac}/progress", Tag: tag, Access: openapi.Open, Summary: "How far a live environment is, or what somebody picked at its console",
			Request: openapi.JSON(func(v body.Value) { _, _, _ = readProgress(v) }), Answers: reported("shown to whoever watches")},
		{Pattern: "POST /pxe/{mac}/log", Tag: tag, Access: openapi.Open, Summary: "The next piece of what a live environment logs",
			Details: "At most 64 KiB; the newest 256 KiB of each machine are kept. 503 says that it comes too fast.",
			Request: openapi.Text(), Answers: openapi.Answers(openapi.Empty(204, "kept"), 404, 413)},
		{Pattern: "POST /pxe/{mac}/done", Tag: tag, Access: openapi.Open, Summary: "The end of a flash, as clients up to 0.60 report it",
			Answers: reported("recorded")},
		{Pattern: "GET /boot/{name}", Tag: "boot files", Access: openapi.Open, Writes: true, Summary: "A boot file, whole or in ranges; HEAD is answered too",
			Query:   []openapi.Param{{Name: "mac", Text: "the machine that starts the live environment with it; its cycle is armed"}},
			Answers: files()},
		{Pattern: "PUT /boot/{name}", Tag: "boot files", Summary: "Store a boot file",
			Request: openapi.Bytes(), Answers: openapi.Answers(openapi.Encoded(200, stored{}), 404, 409)},
	}
}

// files are the answers of GET /boot/{name}.
func files() []openapi.Answer {
	list := openapi.Refusals(400, 404)
	for _, media := range []string{"application/octet-stream", "application/efi", "text/plain; charset=utf-8"} {
		list = append(list, openapi.Plain(media))
		list = append(list, openapi.Answer{Status: 206, Media: media})
	}
	return append(list, openapi.Answer{Status: 206, Media: "multipart/byteranges"},
		openapi.Answer{Status: 412, Text: "If-Match or If-Unmodified-Since does not hold"},
		openapi.Answer{Status: 416, Media: "text/plain; charset=utf-8"})
}
