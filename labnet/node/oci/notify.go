package oci

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// notifyMax is the longest message that is looked at; systemd's are shorter.
const notifyMax = 4096

// notifySocket receives sd_notify(3) messages of one node. All bytes come from
// the node and are hostile: they are read into a fixed buffer, compared with
// one line, and dropped.
type notifySocket struct {
	conn *net.UnixConn
	once sync.Once
}

// listenNotify binds dir/notify, for the node's root only. The name is reached
// through a descriptor: a unix address holds at most 107 bytes.
func listenNotify(dir string, base uint32) (*notifySocket, error) {
	d, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	path := fmt.Sprintf("/proc/self/fd/%d/notify", d.Fd())
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("notify socket in %s: %w", dir, err)
	}
	if err := os.Chown(path, int(base), int(base)); err != nil {
		c.Close()
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		c.Close()
		return nil, err
	}
	return &notifySocket{conn: c}, nil
}

// waitReady reads until READY=1 or until the socket is closed.
func (s *notifySocket) waitReady() bool {
	buf := make([]byte, notifyMax)
	for {
		n, _, err := s.conn.ReadFromUnix(buf)
		if err != nil {
			return false
		}
		if isReady(buf[:n]) {
			return true
		}
	}
}

func (s *notifySocket) close() { s.once.Do(func() { s.conn.Close() }) }

// isReady looks for the line READY=1.
func isReady(msg []byte) bool {
	for line := range bytes.SplitSeq(msg, []byte("\n")) {
		if bytes.Equal(line, []byte("READY=1")) {
			return true
		}
	}
	return false
}
