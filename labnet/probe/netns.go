package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable"
)

// socket opens a socket inside the network namespace at ns. Only the opening
// happens there: a socket belongs to the namespace it was born in for good, so
// it is connected and used on any thread afterwards.
func socket(ns string, family, kind, proto int) (*os.File, error) {
	fd := -1
	err := cable.InNetNS(ns, func() (err error) {
		fd, err = unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		return os.NewSyscallError("socket", err)
	})
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, failf(StagePost, "gone", "%w", err)
	}
	return os.NewFile(uintptr(fd), "socket in "+ns), nil
}

// dial connects from inside the namespace at ns. network is "tcp" or "udp".
func dial(ctx context.Context, ns, network string, to netip.AddrPort) (net.Conn, error) {
	family, kind := unix.AF_INET, unix.SOCK_STREAM
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	if network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	f, err := socket(ns, family, kind, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // net.FileConn works on its own copy
	if err := connect(ctx, f, to); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// connect waits in Go's own poller, so that no thread is held.
func connect(ctx context.Context, f *os.File, to netip.AddrPort) error {
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	begun := false
	var cause error
	err = raw.Write(func(fd uintptr) bool {
		if !begun {
			begun = true
			cause = unix.Connect(int(fd), sockaddr(to))
			return !errors.Is(cause, unix.EINPROGRESS)
		}
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			cause = err
			return true
		}
		if cause = nil; n != 0 {
			cause = unix.Errno(n)
			return true
		}
		// A wake-up without an error may come before the connection stands.
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	return os.NewSyscallError("connect", cause)
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
}

// card is what the workstation's network card looks like now.
type card struct {
	index     int
	hw        net.HardwareAddr
	up        bool
	addresses []netip.Prefix
}

// cardOf reads the card of a post.
func cardOf(post Post) (card, error) {
	name := post.Interface
	if name == "" {
		name = "eth0"
	}
	var c card
	err := cable.InNetNS(post.NetNS, func() error {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return fmt.Errorf("card %s: %w", name, err)
		}
		c.index, c.hw, c.up = ifi.Index, ifi.HardwareAddr, ifi.Flags&net.FlagRunning != 0
		addrs, err := ifi.Addrs()
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", name, err)
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				ones, _ := n.Mask.Size()
				ip, _ := netip.AddrFromSlice(n.IP.To4())
				c.addresses = append(c.addresses, netip.PrefixFrom(ip, ones))
			}
		}
		return nil
	})
	if err != nil {
		return c, failf(StagePost, "gone", "%w", err)
	}
	return c, nil
}
