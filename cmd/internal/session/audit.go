package session

import (
	"context"
	"errors"
	"time"

	"github.com/situlab/situlab/cmd/internal/ui"
	"github.com/situlab/situlab/labnet"
	"github.com/situlab/situlab/labnet/leak"
)

// pictureAge is how long after the morning's start a picture is taken: always the
// same, because a daemon that did not reach its server at once tries again after
// half a minute, and a fault takes longer to be admitted than a twin.
const pictureAge = 75 * time.Second

// Picture starts a session up to the moment at which the candidate would enter
// and takes the picture of every node of the perimeter; nobody works in it. o.Out
// keeps its journal. plant, when given, may spoil the lab first.
func Picture(ctx context.Context, o Options, u *ui.UI, plant func(*labnet.Lab) error) (items []string, err error) {
	s, err := prepare(o, u)
	if err != nil {
		return nil, err
	}
	deskDir, leave, err := s.setUp(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, leave()) }()
	defer func() { err = errors.Join(err, s.takeDown()) }()
	if err := s.startLab(ctx, deskDir); err != nil {
		return nil, err
	}
	times := leak.Times{Begin: s.begun, Morning: time.Now()}
	if err := s.breakIt(ctx); err != nil {
		return nil, err
	}
	if plant != nil {
		if err := plant(s.lab); err != nil {
			return nil, err
		}
	}
	select {
	case <-time.After(time.Until(times.Morning.Add(pictureAge))):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var subjects []leak.Subject
	for _, n := range s.variant.Site.Nodes {
		if n.Perimeter {
			subjects = append(subjects, leak.Subject{Node: s.lab.Node(n.Name), Role: n.Role})
		}
	}
	return leak.Picture(ctx, subjects, times)
}
