package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A node's systemd is asked over its own private socket, in the few words of
// the D-Bus protocol that these questions need: hundreds of questions go over
// one connection, where each systemctl would be a program of its own.

// manager is a connection to the systemd of a node.
type manager struct {
	conn   net.Conn
	in     *bufio.Reader
	serial uint32
}

// askTimeout bounds a whole conversation: a booting systemd answers late.
const askTimeout = 20 * time.Second

// dialManager connects to the systemd whose PID 1 is pid.
func dialManager(pid int) (*manager, error) {
	root, err := mappedRoot(pid)
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/proc/%d/root/run/systemd/private", pid)
	at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(at)
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := connectFrom(pid, root, s, at); err != nil {
		unix.Close(s)
		return nil, fmt.Errorf("systemd of process %d: %w", pid, err)
	}
	f := os.NewFile(uintptr(s), path)
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(askTimeout))
	m := &manager{conn: conn, in: bufio.NewReader(conn)}
	if err := m.greet(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("systemd of process %d: %w", pid, err)
	}
	return m, nil
}

// connectVerb is the hidden first argument that makes the bench a connector.
const connectVerb = "__connect"

// The connector's inherited files: the socket, and the path of what to connect to.
const (
	socketFile = 3
	targetFile = 4
)

// connect is the connector's life; the exit code is the errno.
func connect() int {
	err := unix.Connect(socketFile, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d", targetFile)})
	var e unix.Errno
	if errors.As(err, &e) {
		return int(e)
	}
	return 0
}

// connectFrom connects a socket as the root of a node, from its pid namespace:
// systemd refuses a peer with another uid, or one whose process it cannot see.
// The kernel notes both when connect(2) is called, so a child does that and ends.
func connectFrom(pid int, uid uint32, s, at int) error {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return err
	}
	defer ns.Close()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	done := make(chan error)
	go func() {
		// Only children of this thread are in the namespace; it is not used again.
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWPID); err != nil {
			done <- os.NewSyscallError("setns", err)
			return
		}
		child, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", self.Fd()), []string{"bench", connectVerb}, &syscall.ProcAttr{
			Files: []uintptr{0, 1, 2, uintptr(s), uintptr(at)},
			Sys:   &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}},
		})
		if err != nil {
			done <- fmt.Errorf("connector: %w", err)
			return
		}
		var st syscall.WaitStatus
		for {
			if _, err = syscall.Wait4(child, &st, 0, nil); err != syscall.EINTR {
				break
			}
		}
		switch {
		case err != nil:
			done <- os.NewSyscallError("wait4", err)
		case st.ExitStatus() != 0:
			done <- os.NewSyscallError("connect", syscall.Errno(st.ExitStatus()))
		default:
			done <- nil
		}
	}()
	return <-done
}

func (m *manager) close() { m.conn.Close() }

func (m *manager) greet() error {
	// 30 is the hexadecimal of "0", our uid as the node sees it. BEGIN goes with
	// it, as systemctl does: a call that systemd read together with BEGIN would
	// wait in its buffer until more comes.
	if _, err := io.WriteString(m.conn, "\x00AUTH EXTERNAL 30\r\nBEGIN\r\n"); err != nil {
		return err
	}
	line, err := m.in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return fmt.Errorf("refused: %q", line)
	}
	return nil
}

// Names of systemd's interface (org.freedesktop.systemd1(5)).
const (
	managerPath      = "/org/freedesktop/systemd1"
	managerInterface = "org.freedesktop.systemd1.Manager"
	unitInterface    = "org.freedesktop.systemd1.Unit"
	serviceInterface = "org.freedesktop.systemd1.Service"
	propsInterface   = "org.freedesktop.DBus.Properties"
)

// unitPath is the object of a unit: every byte but letters and digits is
// written as _ and two hexadecimal digits.
func unitPath(unit string) string {
	var b strings.Builder
	b.WriteString(managerPath + "/unit/")
	for i := range len(unit) {
		c := unit[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// property reads one property.
func (m *manager) property(path, iface, name string) (any, error) {
	v, err := m.call(path, propsInterface, "Get", iface, name)
	if err != nil {
		return nil, err
	}
	return v[0], nil
}

// text and number read a property of a known type.
func (m *manager) text(path, iface, name string) (string, error) {
	v, err := m.property(path, iface, name)
	s, ok := v.(string)
	if err == nil && !ok {
		err = fmt.Errorf("%s is not text", name)
	}
	return s, err
}

func (m *manager) number(path, iface, name string) (uint64, error) {
	v, err := m.property(path, iface, name)
	switch n := v.(type) {
	case uint64:
		return n, err
	case uint32:
		return uint64(n), err
	}
	if err == nil {
		err = fmt.Errorf("%s is not a number", name)
	}
	return 0, err
}

// call calls a method whose arguments are strings and decodes the answer.
func (m *manager) call(path, iface, member string, args ...string) ([]any, error) {
	m.serial++
	if _, err := m.conn.Write(encodeCall(m.serial, path, iface, member, args)); err != nil {
		return nil, err
	}
	for {
		kind, signature, body, err := readMessage(m.in)
		if err != nil {
			return nil, err
		}
		switch kind {
		case 2: // METHOD_RETURN
			d := &decoder{b: body}
			return d.all(signature)
		case 3: // ERROR
			d := &decoder{b: body}
			v, err := d.all(signature)
			return nil, errors.Join(fmt.Errorf("%s %s: refused: %v", member, strings.Join(args, " "), v), err)
		}
	}
}

func pad(b []byte, n int) []byte {
	for len(b)%n != 0 {
		b = append(b, 0)
	}
	return b
}

func putString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(pad(b, 4), uint32(len(s)))
	return append(append(b, s...), 0)
}

func encodeCall(serial uint32, path, iface, member string, args []string) []byte {
	var body []byte
	for _, a := range args {
		body = putString(body, a)
	}
	b := []byte{'l', 1, 0, 1}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, serial)
	b = append(b, 0, 0, 0, 0) // length of the fields, below
	const fieldsAt = 16
	for _, f := range []struct {
		code byte
		kind byte
		text string
	}{{1, 'o', path}, {2, 's', iface}, {3, 's', member}} {
		b = putString(append(pad(b, 8), f.code, 1, f.kind, 0), f.text)
	}
	if len(args) > 0 {
		b = append(pad(b, 8), 8, 1, 'g', 0, byte(len(args)))
		b = append(append(b, strings.Repeat("s", len(args))...), 0)
	}
	binary.LittleEndian.PutUint32(b[fieldsAt-4:], uint32(len(b)-fieldsAt))
	return append(pad(b, 8), body...)
}

// maxMessage is what a node may send: one that lists all its unit files needs
// some tens of kilobytes.
const maxMessage = 4 << 20

func readMessage(r io.Reader) (kind byte, signature string, body []byte, err error) {
	head := make([]byte, 16)
	if _, err = io.ReadFull(r, head); err != nil {
		return
	}
	if head[0] != 'l' {
		return 0, "", nil, errors.New("message is not little-endian")
	}
	bodyLen, fieldsLen := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
	if bodyLen > maxMessage || fieldsLen > maxMessage {
		return 0, "", nil, errors.New("message is too long")
	}
	rest := make([]byte, (fieldsLen+7)/8*8+bodyLen)
	if _, err = io.ReadFull(r, rest); err != nil {
		return
	}
	// The fields begin at offset 16, a multiple of 8: alignment is kept.
	d := &decoder{b: rest[:fieldsLen]}
	for d.at < len(d.b) && d.err == nil {
		d.align(8)
		code := d.byte()
		if v := d.variant(); code == 8 {
			signature, _ = v.(string)
		}
	}
	return head[1], signature, rest[(fieldsLen+7)/8*8:], d.err
}

// decoder reads values by their signature.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || d.at+n > len(d.b) {
		if d.err == nil {
			d.err = io.ErrUnexpectedEOF
		}
		return make([]byte, max(0, min(n, 8)))
	}
	d.at += n
	return d.b[d.at-n : d.at]
}

func (d *decoder) align(n int) {
	if over := d.at % n; over != 0 {
		d.take(n - over)
	}
}

func (d *decoder) byte() byte { return d.take(1)[0] }

func (d *decoder) uint32() uint32 {
	d.align(4)
	return binary.LittleEndian.Uint32(d.take(4))
}

func (d *decoder) string() string {
	s := string(d.take(int(d.uint32())))
	d.take(1)
	return s
}

func (d *decoder) signature() string {
	s := string(d.take(int(d.byte())))
	d.take(1)
	return s
}

func (d *decoder) variant() any {
	sig := d.signature()
	v, _ := d.value(sig)
	return v
}

func (d *decoder) all(sig string) (out []any, err error) {
	for sig != "" && d.err == nil {
		var v any
		v, sig = d.value(sig)
		out = append(out, v)
	}
	if d.err == nil && len(out) == 0 {
		return []any{nil}, nil
	}
	return out, d.err
}

// value reads one complete type and returns what is left of the signature.
func (d *decoder) value(sig string) (any, string) {
	if sig == "" {
		d.err = errors.New("empty signature")
		return nil, ""
	}
	rest := sig[1:]
	switch sig[0] {
	case 'y':
		return d.byte(), rest
	case 'b':
		return d.uint32() != 0, rest
	case 'u', 'i':
		return d.uint32(), rest
	case 't', 'x':
		d.align(8)
		return binary.LittleEndian.Uint64(d.take(8)), rest
	case 's', 'o':
		return d.string(), rest
	case 'g':
		return d.signature(), rest
	case 'v':
		return d.variant(), rest
	case '(':
		d.align(8)
		inner, after := closing(sig)
		var fields []any
		for inner != "" && d.err == nil {
			var v any
			v, inner = d.value(inner)
			fields = append(fields, v)
		}
		return fields, after
	case 'a':
		size := int(d.uint32())
		if rest != "" && (rest[0] == '(' || rest[0] == 't' || rest[0] == 'x') {
			d.align(8)
		}
		end := d.at + size
		element := rest
		if rest != "" && rest[0] == '(' {
			_, rest = closing(rest)
		} else if rest != "" {
			rest = rest[1:]
		}
		var items []any
		for d.at < end && d.err == nil {
			v, _ := d.value(element)
			items = append(items, v)
		}
		return items, rest
	}
	d.err = fmt.Errorf("type %q is not read here", sig[:1])
	return nil, ""
}

// closing splits "(...)rest" at the bracket that closes.
func closing(sig string) (inner, after string) {
	depth := 0
	for i, c := range sig {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return sig[1:i], sig[i+1:]
			}
		}
	}
	return "", ""
}
