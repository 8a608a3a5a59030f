package labnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/scenarios"
)

// bootShares lets what others wait for boot first, while a whole company starts.
func bootShares(c scenarios.Class) uint64 {
	switch c {
	case scenarios.Admin: // the first shell: somebody sits in front of it
		return 131072
	case scenarios.Router, scenarios.Operator:
		return 16384
	case scenarios.Server:
		return 2048
	default:
		return 256
	}
}

// shares are a node's for the rest of its life, and in its own reboots: what many
// use counts twice, and nobody can starve the others.
func shares(c scenarios.Class) uint64 {
	if c == scenarios.Workstation {
		return 1024
	}
	return 2048
}

// booting is the spec of a node that starts with the whole company.
func (m *machine) booting() node.Spec {
	s := m.spec
	s.CPUShares = bootShares(m.site.Class)
	return s
}

// bootLimit ends the wait for nodes that do not finish their boot, so that the
// others do not live with its shares.
const bootLimit = 3 * time.Minute

// level gives all nodes their ordinary shares once each of them has booted or
// ended.
func level(ctx context.Context, ms []*machine) error {
	wait, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	for _, m := range ms {
		if n, _ := m.now(); n != nil {
			select {
			case <-n.Ready():
			case <-n.Exited():
			case <-wait.Done():
			}
		}
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // they are taken down
	}
	var errs []error
	for _, m := range ms {
		n, _ := m.now()
		if n == nil {
			continue
		}
		// One that is replaced meanwhile got its shares with its life.
		if err := n.SetShares(shares(m.site.Class)); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, fmt.Errorf("shares of node %s: %w", m.site.Name, err))
		}
	}
	return errors.Join(errs...)
}
