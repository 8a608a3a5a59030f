package cable

import "github.com/situlab/situlab/labnet/cable/internal/netns"

// InNetNS runs f on a locked OS thread inside the network namespace at path
// (/proc/PID/ns/net or a pin). Sockets that f opens belong to that namespace
// for good, so a probe opens its socket here and uses it outside. Goroutines
// started by f are not inside, and f must not call runtime.Goexit
// (testing.T.FailNow). A thread that cannot be moved back is destroyed.
func InNetNS(path string, f func() error) error { return netns.Do(path, f) }
