package flash

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"bty/internal/disk/faulty"
)

// within is in bytes.
func within(from, to int64) faulty.Span { return faulty.Span{From: from, To: to} }

const failingSize = 24 * mib

// failing flashes an image with data and zeros on a disk with faults.
func failing(t *testing.T, faults faulty.Faults, verify bool) (*faulty.Disk, []byte, Result, error) {
	t.Helper()
	return failingFrom(t, StageOpen, faults, verify)
}

// failingFrom lets the faults begin with a stage.
func failingFrom(t *testing.T, stage string, faults faulty.Faults, verify bool) (*faulty.Disk, []byte, Result, error) {
	t.Helper()
	path, d := faulty.New(t, failingSize, oldByte)
	img := picture(failingSize, 11)
	copy(img[9*mib:], bytes.Repeat([]byte("data"), mib/4))
	clear(img[12*mib : 14*mib])
	copy(img[20*mib:], bytes.Repeat([]byte("data"), mib/4))
	res, err := Run(t.Context(), Request{
		Source: serve(t, "a.img.zst", tool(t, img, "zstd", "-1")), Target: path, Verify: verify,
	}, func(p Progress) {
		if p.Stage == stage {
			d.Set(faults)
		}
	})
	return d, img, res, err
}

// endsAreGone checks that nothing of the image's beginning and end is on the disk.
func endsAreGone(t *testing.T, d *faulty.Disk) {
	t.Helper()
	b := d.Bytes()
	if len(bytes.Trim(b[:headSize], "\x00")) > 0 || len(bytes.Trim(b[len(b)-tailSize:], "\x00")) > 0 {
		t.Error("the disk's ends are not wiped")
	}
}

func TestReadBack(t *testing.T) {
	d, img, res, err := failing(t, faulty.Faults{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if at := differ(d.Bytes(), img); at >= 0 || !res.ReadBack {
		t.Errorf("the disk differs at %d; read back: %v", at, res.ReadBack)
	}
}

// A disk that says yes and lies: only reading it back finds that.
func TestLyingDisk(t *testing.T) {
	for name, tc := range map[string]struct {
		faults faulty.Faults
		says   string
	}{
		"a bit turned":             {faulty.Faults{Flip: within(9*mib+77, 9*mib+78)}, "between the bytes 9437184 and 10485760"},
		"a sector lost":            {faulty.Faults{Drop: within(20*mib, 20*mib+512)}, "between the bytes 20971520 and 22020096"},
		"zeros lost":               {faulty.Faults{LazyPunch: true, Drop: within(12*mib+4096, 12*mib+8192)}, "between the bytes 12582912 and 13631488"},
		"the first block lost":     {faulty.Faults{Drop: within(0, 512)}, "byte 0 is not"},
		"a bit turned at the end":  {faulty.Faults{Flip: within(failingSize-99, failingSize-98)}, "byte 25165725 is not"},
		"a bit turned in the head": {faulty.Faults{Flip: within(mib, mib+1)}, "byte 1048576 is not"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, res, err := failing(t, tc.faults, false); err != nil || res.ReadBack {
				t.Fatalf("nobody asked, and yet: %v", err)
			}
			d, _, res, err := failing(t, tc.faults, true)
			e := fails(t, err, ErrVerify, tc.says)
			if res.ReadBack || !e.Touched || !strings.Contains(e.Error(), "will not boot") {
				t.Errorf("%+v: %v", res, e)
			}
			d.Set(faulty.Faults{})
			if b := d.Bytes(); b[510] == 0x55 && b[511] == 0xaa && tc.faults.Drop.From != 0 {
				t.Error("the disk has a boot record")
			}
		})
	}
}

// A disk that says no.
func TestFailingDisk(t *testing.T) {
	for name, tc := range map[string]struct {
		faults faulty.Faults
		verify bool
		kind   error
		says   string
		ends   bool // nothing of the ends can be on the disk
	}{
		"writes in the middle":   {faulty.Faults{Refuse: within(9*mib+mib/2, 9*mib+mib/2+512)}, false, ErrWrite, "write /dev/loop", true},
		"zeroes in the middle":   {faulty.Faults{Refuse: within(13*mib, 13*mib+512)}, false, ErrWrite, "at byte 1", true},
		"the last bytes":         {faulty.Faults{Refuse: within(failingSize-512, failingSize)}, false, ErrWrite, "wipe the end", false},
		"the first block":        {faulty.Faults{Refuse: within(0, 512)}, false, ErrWrite, "wipe the beginning", false},
		"flushes":                {faulty.Faults{FailSync: true}, false, ErrWrite, "flush", true},
		"reads, and it is asked": {faulty.Faults{Unread: within(10*mib, 10*mib+512)}, true, ErrVerify, "read /dev/loop", true},
	} {
		t.Run(name, func(t *testing.T) {
			d, _, _, err := failing(t, tc.faults, tc.verify)
			e := fails(t, err, tc.kind, tc.says)
			if !e.Touched || !strings.Contains(e.Error(), "input/output error") || !strings.Contains(e.Error(), "will not boot") {
				t.Errorf("%v", e)
			}
			if tc.ends {
				endsAreGone(t, d)
			}
		})
	}
}

// A disk that says no when all but the last is done.
func TestFailsAtTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		stage  string
		faults faulty.Faults
		says   string
		unsure bool
	}{
		"the flush of the image": {StageSync, faulty.Faults{FailSync: true}, "flush", false},
		"the flush of the ends":  {StageVerify, faulty.Faults{FailSync: true}, "write the boot record: flush", true},
		"the last block":         {StageVerify, faulty.Faults{Refuse: within(failingSize-512, failingSize)}, "write the boot record: write", true},
		"the first block":        {StageVerify, faulty.Faults{Refuse: within(0, 512)}, "write the boot record: write", true},
		"every write":            {StageSync, faulty.Faults{Refuse: within(0, failingSize)}, "write the boot record: write", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, res, err := failingFrom(t, tc.stage, tc.faults, true)
			e := fails(t, err, ErrWrite, tc.says)
			if !e.Touched || e.Unsure != tc.unsure || strings.Contains(e.Error(), "whether it boots is not known") != tc.unsure || res.ReadBack {
				t.Errorf("unsure %v: %v", e.Unsure, e)
			}
		})
	}
}

// A discard that gives no zeros is not trusted: zeros are written.
func TestHolesThatAreNotZeros(t *testing.T) {
	d, img, _, err := failing(t, faulty.Faults{LazyPunch: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	if at := differ(d.Bytes(), img); at >= 0 {
		t.Errorf("the disk differs at %d", at)
	}
}

// Whoever cancels while the disk is read back has a disk that does not boot.
func TestCancelReadBack(t *testing.T) {
	path, d := faulty.New(t, failingSize, oldByte)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := Run(ctx, Request{Source: serve(t, "a.img", picture(failingSize, 11)), Target: path, Verify: true}, func(p Progress) {
		if p.Stage == StageVerify {
			cancel()
		}
	})
	if e := fails(t, err, ErrCancelled, "cancelled"); !e.Touched || res.ReadBack {
		t.Errorf("%+v: %v", res, e)
	}
	endsAreGone(t, d)
}
