package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/cmd/internal/provision"
	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/node"
	"github.com/situlab/situlab/labnet/probe"
	"github.com/situlab/situlab/scenarios"
)

// canaryAge makes a canary file one of many: written some days before.
const canaryAge = 3*24*time.Hour + 7*time.Hour + 11*time.Minute

// word is what a canary file holds; only the controller knows it beforehand.
func (s *Session) word(c scenarios.Canary) string {
	m := hmac.New(sha256.New, []byte(s.salt))
	m.Write([]byte(c.ID))
	return hex.EncodeToString(m.Sum(nil)[:12]) + "\n"
}

// plantCanaries writes the canary files of a stopped node.
func (s *Session) plantCanaries(name string, n node.Node) error {
	for _, c := range s.variant.Site.Canaries {
		if c.Node != name {
			continue
		}
		f := node.File{Path: c.Path, Mode: 0o644, Content: []byte(s.word(c)), ModTime: s.begun.Add(-canaryAge)}
		if err := n.Write([]node.File{f}); err != nil {
			return fmt.Errorf("canary %s: %w", c.ID, err)
		}
	}
	return nil
}

// canaryValues asks the queries of the healthy company.
func (s *Session) canaryValues(ctx context.Context) error {
	s.values = map[string]string{}
	for _, c := range s.variant.Site.Canaries {
		if c.Query == "" {
			continue
		}
		v, err := s.query(ctx, c)
		if err != nil {
			return &EnvironmentError{"canary_not_set", fmt.Sprintf("%s: %v", c.ID, err)}
		}
		s.values[c.ID] = v
	}
	return nil
}

// query makes a canary's query from the first workstation that can: the service,
// not the way to it, is what is examined here.
func (s *Session) query(ctx context.Context, c scenarios.Canary) (string, error) {
	var p scenarios.Probe
	for _, x := range s.variant.Site.Probes {
		if x.ID == c.Probe {
			p = x
		}
	}
	p.Params = maps.Clone(p.Params) // the site's stays as it is
	p.Params["query"] = c.Query
	delete(p.Params, "expect")
	var last error
	for _, post := range probe.OnePerSegment(provision.Posts(s.lab), 0) {
		r := probe.Check(ctx, p, post, probe.SecretsOf(s.variant.Site))
		if r.OK {
			return r.Measured["value"], nil
		}
		if r.Stage == probe.StageContent {
			// The service answers, the datum is not in it any more.
			return "", fmt.Errorf("%w: %s %s", errGone, r.Code, r.Detail)
		}
		last = fmt.Errorf("from %s: %s %s: %s", post.Name, r.Stage, r.Code, r.Detail)
	}
	return "", last
}

// errGone says that a datum is not where it was: it is lost, while any other
// error leaves open whether it is.
var errGone = errors.New("gone")

// readCanaries reads all data again, after the examination's cold start.
func (s *Session) readCanaries(ctx context.Context) {
	for _, c := range s.variant.Site.Canaries {
		rec := &evidence.ExamCanary{Name: c.ID, Where: c.Title.In(s.opts.Lang)}
		got, want := "", s.values[c.ID]
		var err error
		if c.Query != "" {
			got, err = s.query(ctx, c)
		} else {
			want = s.word(c)
			got, err = s.readAtMost(c.Node, c.Path, len(want)+1)
		}
		switch {
		case err != nil:
			rec.Detail, rec.Unread = err.Error(), !errors.Is(err, errGone)
		case got != want:
			rec.Detail = "altered"
		default:
			rec.OK = true
		}
		s.putNode(c.Node, rec)
	}
}

// readAtMost reads the beginning of a file of a node, from outside.
func (s *Session) readAtMost(name, path string, limit int) (string, error) {
	n := s.lab.Node(name)
	if n == nil {
		return "", fmt.Errorf("%s did not come back", name)
	}
	f, err := n.Open(path)
	for _, gone := range []error{fs.ErrNotExist, fs.ErrInvalid, unix.ENOTDIR, unix.ELOOP} { // deleted, or something else in its place
		if errors.Is(err, gone) {
			return "", fmt.Errorf("%w: %w", errGone, err)
		}
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)))
	return string(b), err
}
