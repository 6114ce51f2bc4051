package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// tftpClient is firmware as far as a server can tell: one block, one acknowledgement. It looks at
// every byte. It is the same for all servers and costs a system call per packet and direction.
type tftpClient struct {
	conn   *net.UDPConn
	server netip.AddrPort
	buf    [2048]byte
	out    []byte // what was sent last

	bytes, failed, again int
	why                  error // of the last transfer that failed
}

const (
	tftpWait  = time.Second // for a packet, as firmware has it
	tftpTries = 6
)

// fetch transfers the file once and counts what became of it.
func (c *tftpClient) fetch(file string, content []byte) {
	if err := c.transfer(file, content); err != nil {
		c.failed++
		c.why = err
		return
	}
	c.bytes += len(content)
}

func (c *tftpClient) transfer(file string, content []byte) error {
	c.out = binary.BigEndian.AppendUint16(c.out[:0], 1)
	for _, s := range []string{file, "octet", "blksize", strconv.Itoa(tftpBlock), "tsize", "0"} {
		c.out = append(append(c.out, s...), 0)
	}
	packet, peer, err := c.exchange(c.server, 0)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint16(packet) != 6 || !bytes.Contains(packet, []byte("blksize\x001428\x00")) {
		return fmt.Errorf("the options were not taken: %q", packet)
	}
	for block, offset := uint16(0), 0; ; block++ {
		c.ack(block)
		if packet, _, err = c.exchange(peer, block+1); err != nil {
			return err
		}
		data := packet[4:]
		if len(data) > tftpBlock || !bytes.HasPrefix(content[offset:], data) {
			return fmt.Errorf("block %d is wrong", block+1)
		}
		if offset += len(data); len(data) < tftpBlock {
			c.ack(block + 1)
			_, err = c.conn.WriteToUDPAddrPort(c.out, peer)
			if offset != len(content) {
				return fmt.Errorf("it ended after %d bytes", offset)
			}
			return err
		}
	}
}

func (c *tftpClient) ack(block uint16) {
	c.out = append(c.out[:0], 0, 4, byte(block>>8), byte(block))
}

// exchange sends out and waits for the options (block 0) or a block. It is sent again when nothing
// comes in time. Who answers first is the peer of the transfer.
func (c *tftpClient) exchange(peer netip.AddrPort, block uint16) ([]byte, netip.AddrPort, error) {
	for try := range tftpTries {
		if try > 0 {
			c.again++
		}
		if _, err := c.conn.WriteToUDPAddrPort(c.out, peer); err != nil {
			return nil, peer, err
		}
		packet, from, err := c.await(peer, block)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		return packet, from, err
	}
	return nil, peer, fmt.Errorf("no answer for %v", tftpTries*tftpWait)
}

func (c *tftpClient) await(peer netip.AddrPort, block uint16) ([]byte, netip.AddrPort, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(tftpWait)); err != nil {
		return nil, peer, err
	}
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(c.buf[:])
		if err != nil {
			return nil, peer, err
		}
		packet := c.buf[:n]
		if n < 4 || from.Addr() != peer.Addr() || block > 0 && from != peer {
			continue // of the transfer before
		}
		switch op := binary.BigEndian.Uint16(packet); {
		case op == 5:
			return nil, peer, fmt.Errorf("refused: %s", strings.TrimRight(string(packet[4:]), "\x00"))
		case op == 6 && block == 0, op == 3 && block > 0 && binary.BigEndian.Uint16(packet[2:]) == block:
			return packet, from, nil
		}
	}
}
