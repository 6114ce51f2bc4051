package serve

import (
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"time"

	"bty/internal/fault"
)

// stallTime is how long an upload may bring no byte before it is given up.
const stallTime = time.Minute

// Upload is a request's body that may not stall and not be longer than limit bytes.
func Upload(w http.ResponseWriter, r *http.Request, limit int64) io.Reader {
	return &upload{http.MaxBytesReader(w, r.Body, limit), http.NewResponseController(w)}
}

type upload struct {
	io.Reader
	conn *http.ResponseController
}

func (u *upload) Read(p []byte) (int, error) {
	_ = u.conn.SetReadDeadline(time.Now().Add(stallTime)) // a server that has none reads without
	n, err := u.Reader.Read(p)
	if err != nil {
		_ = u.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Files reads the files of a multipart form one after the other, as they come in: nothing of them
// is kept.
type Files struct{ parts *multipart.Reader }

// formOverhead is what a form has beside its files, in bytes.
const formOverhead = 1 << 20

// FilesOf returns the files of the form in a request, all of them at most limit bytes.
func FilesOf(w http.ResponseWriter, r *http.Request, limit int64) (*Files, error) {
	r.Body = io.NopCloser(Upload(w, r, limit+formOverhead))
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the request is no form with files; send multipart/form-data")
	}
	return &Files{parts}, nil
}

// Next returns the name and the content of the next file, io.EOF after the last one. Fields that
// are no files, and file fields that were left empty, are passed over.
func (f *Files) Next() (string, io.Reader, error) {
	for {
		part, err := f.parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return "", nil, io.EOF
		case err != nil:
			return "", nil, badForm(err)
		case part.FileName() != "":
			return part.FileName(), content{part}, nil
		}
	}
}

// content is a file of a form; what the form has wrong about it is the caller's fault.
type content struct{ part io.Reader }

func (c content) Read(p []byte) (int, error) {
	n, err := c.part.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, badForm(err)
}

// badForm tells a form that is not written as one from one that did not come in whole.
func badForm(err error) error {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	if _, network := errors.AsType[net.Error](err); network || tooLarge || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "the parts of the form are not as multipart/form-data has them; nothing was stored")
}

// UploadFault says what became of an upload that could not be read to its end. Other errors come
// back as they are.
func UploadFault(err error, what string, limit int64) error {
	if _, known := errors.AsType[*fault.Error](err); known || err == nil {
		return err
	}
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return fault.New(fault.TooLarge, "upload exceeded %d bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at %d bytes.", limit, limit)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Invalid, err, "the upload of %s ended early; nothing was stored", what)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(fault.Invalid, err, "the upload of %s brought nothing for %s; nothing was stored", what, stallTime)
	}
	return err
}
