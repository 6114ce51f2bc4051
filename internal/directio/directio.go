// Package directio gives memory that a disk may take its data from without the page cache (O_DIRECT).
package directio

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	page = 4096    // suits every device
	huge = 2 << 20 // of x86-64, and of arm64 with pages of 4 KiB
)

// Buffer returns n zeroed bytes that begin at a page. From 2 MiB on it asks the kernel for huge pages: it
// looks up and pins every page of a request, and 2 MiB of small ones are 512.
func Buffer(n int) []byte {
	if n < huge {
		return begin(n, page)
	}
	b := begin(n, huge)
	// Refused by a kernel without them (CONFIG_TRANSPARENT_HUGEPAGE); small pages then do.
	_ = unix.Madvise(b[:n/huge*huge], unix.MADV_HUGEPAGE)
	return b
}

func begin(n, at int) []byte {
	b := make([]byte, n+at)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (at - 1)
	return b[skip : skip+n : skip+n]
}
