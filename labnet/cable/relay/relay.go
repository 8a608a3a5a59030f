package relay

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

const (
	headerLen = 10             // struct virtio_net_hdr, linux/virtio_net.h
	maxFrame  = 1<<16 + 4096   // a GSO segment with all its headers
	socketBuf = 4 << 20        // bytes of frames waiting to be read
	tunDevice = "/dev/net/tun" // tun(4)
	tunFlags  = unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR
	offloads  = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
)

// Relay moves frames between a port and its TAP until it is closed.
type Relay struct {
	port, tap        *os.File
	toNode, fromNode *direction
	stop             chan struct{}
	once             sync.Once
	wg               sync.WaitGroup
}

// Open makes the TAP device in the namespace and starts the relay to the port
// with this index. The caller puts the TAP on the bridge. Errors of a kernel
// without TUN or packet sockets wrap the errno.
func Open(ns *os.File, port int, tap string, toNode, fromNode Line) (*Relay, error) {
	r := &Relay{
		toNode: newDirection(headerLen), fromNode: newDirection(headerLen),
		stop: make(chan struct{}),
	}
	r.Set(toNode, fromNode)
	err := netns.DoFile(ns, func() (err error) {
		if r.tap, err = openTAP(tap); err != nil {
			return fmt.Errorf("relay: TAP %s: %w", tap, err)
		}
		if r.port, err = openPort(port); err != nil {
			return errors.Join(fmt.Errorf("relay: packet socket: %w", err), r.tap.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.wg.Go(func() { r.read(r.port, r.tap, r.fromNode) })
	r.wg.Go(func() { r.read(r.tap, r.port, r.toNode) })
	r.wg.Go(func() { r.write(r.tap, r.fromNode) })
	r.wg.Go(func() { r.write(r.port, r.toNode) })
	return r, nil
}

// Set changes both directions; frames under way keep their time.
func (r *Relay) Set(toNode, fromNode Line) {
	r.toNode.set(toNode)
	r.fromNode.set(fromNode)
}

// Counters returns what each direction did so far.
func (r *Relay) Counters() (toNode, fromNode Counters) {
	return r.toNode.counters(), r.fromNode.counters()
}

// Close stops the relay and removes the TAP; frames under way are lost.
func (r *Relay) Close() error {
	var err error
	r.once.Do(func() {
		close(r.stop)
		err = errors.Join(r.tap.Close(), r.port.Close())
		r.wg.Wait()
	})
	return err
}

// read takes frames from one side until it is closed.
func (r *Relay) read(from, to *os.File, d *direction) {
	buf := make([]byte, maxFrame)
	for {
		n, err := from.Read(buf)
		switch {
		case err == nil && n > headerLen:
			if d.offer(time.Now(), buf[:n]) {
				send(to, buf[:n], d)
			}
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			// ENETDOWN is told once when the port is switched off; anything
			// else must not spin.
			select {
			case <-r.stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// write sends queued frames when they are due.
func (r *Relay) write(to *os.File, d *direction) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		frame, wait := d.take(time.Now())
		if frame != nil {
			send(to, frame, d)
			continue
		}
		if wait < 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-r.stop:
			return
		case <-d.wake:
		case <-timer.C:
		}
	}
}

// send writes one frame. A frame that the other side does not take (port off,
// queue full) is dropped, as on a wire.
func send(to *os.File, frame []byte, d *direction) {
	if _, err := to.Write(frame); err != nil {
		d.dropped.Add(1)
		return
	}
	d.forwarded.Add(1)
}

func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", tunDevice, err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(tunFlags)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	// Only now: the poller refuses a TUN file without a device.
	return os.NewFile(uintptr(fd), tunDevice), nil
}

func openPort(index int) (*os.File, error) {
	// Protocol 0: nothing arrives before the options are set.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		// Else the relay would read what it has written.
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuf},
		{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuf},
	} {
		if err = unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("option %d: %w", o.name, err)
		}
	}
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8 // network order
	if err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}
