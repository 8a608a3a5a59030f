package oci

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// NoSession is the audit session id, and the login uid, of a process that has
// none.
const NoSession = 1<<32 - 1

const (
	loginUIDFile  = "/proc/thread-self/loginuid"
	sessionIDFile = "/proc/thread-self/sessionid"
)

// withLoginUID runs f, which starts a process, with the login uid that the
// process shall inherit: nil means none. It returns the session number that
// came with it. The uid belongs to a thread, which dies with the call.
func withLoginUID(uid *uint32, f func() error) (session uint32, err error) {
	if uid == nil && !hasLoginUID() {
		return NoSession, f()
	}
	type result struct {
		session uint32
		err     error
	}
	done := make(chan result, 1)
	onThread(func() {
		s, err := setLoginUID(uid)
		if err == nil {
			err = f()
		}
		done <- result{s, err}
	})
	r := <-done
	return r.session, r.err
}

// onThread runs f in a goroutine on a thread of its own, which dies with f. That
// is never the first thread: it cannot end, and /proc shows what it has as the
// process's own.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			f() // never unlocked
			return
		}
		defer runtime.UnlockOSThread()
		other := make(chan struct{})
		onThread(func() { close(other); f() })
		<-other // held until f has found another thread
	}()
}

// hasLoginUID says whether the calling thread would hand down somebody's login.
func hasLoginUID() bool {
	v, err := readID(loginUIDFile)
	return err == nil && v != NoSession
}

// setLoginUID changes the calling thread's. A login uid that is set must be
// taken away first, which needs CAP_AUDIT_CONTROL.
func setLoginUID(uid *uint32) (uint32, error) {
	if hasLoginUID() {
		if err := os.WriteFile(loginUIDFile, []byte(strconv.FormatUint(NoSession, 10)), 0); err != nil {
			return 0, &HostError{What: "cannot take the login uid away from a new process", Err: err,
				Do: "start situlab from a service or a console without audit's immutable login uids (auditctl --loginuid-immutable)"}
		}
	}
	if uid == nil {
		return NoSession, nil
	}
	err := os.WriteFile(loginUIDFile, []byte(strconv.FormatUint(uint64(*uid), 10)), 0)
	if errors.Is(err, os.ErrNotExist) {
		return NoSession, nil // a kernel without audit: no numbers at all
	}
	if err != nil {
		return 0, &HostError{What: fmt.Sprintf("cannot set login uid %d", *uid), Err: err}
	}
	return readID(sessionIDFile)
}

func readID(file string) (uint32, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return NoSession, err
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	return uint32(v), err
}
