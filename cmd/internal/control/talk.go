package control

import (
	"context"
	"net/rpc"
	"sync"
	"time"

	"github.com/situlab/situlab/cmd/internal/ui"
)

// Talk keeps what a holder says while it works, so that the caller of a long
// method can show it: net/rpc answers once, so the caller asks for the rest
// meanwhile. A holder whose methods are followed has a method Said:
//
//	caller                            holder
//	Said(-1)          ------------->  the number of the next report
//	Reset             ------------->  works ...
//	Said(n, wait)     ------------->  the reports from n on, as soon as there are any
//	...               <-------------  Reset has ended
//	Said(m)           ------------->  what was said last
type Talk struct {
	mu      sync.Mutex
	first   int // number of reports[0]
	reports []ui.Report
	news    chan struct{} // closed and replaced when something is said
}

// After asks for the reports from a number on; -1 only asks for the next number.
type After struct {
	Seq int
	// Wait waits until there are some, but not for ever.
	Wait bool
}

// Said answers it.
type Said struct {
	Next    int
	Reports []ui.Report
}

const (
	maxTalk = 256         // reports kept
	maxWait = time.Second // of one Said
)

// Say adds a report.
func (t *Talk) Say(r ui.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reports = append(t.reports, r)
	if more := len(t.reports) - maxTalk; more > 0 {
		t.reports, t.first = append([]ui.Report(nil), t.reports[more:]...), t.first+more
	}
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// Said is the method's work.
func (t *Talk) Said(a *After, out *Said) error {
	t.mu.Lock()
	if a.Wait && a.Seq >= t.first+len(t.reports) {
		if t.news == nil {
			t.news = make(chan struct{})
		}
		news := t.news
		t.mu.Unlock()
		select {
		case <-news:
		case <-time.After(maxWait):
		}
		t.mu.Lock()
	}
	defer t.mu.Unlock()
	out.Next = t.first + len(t.reports)
	if a.Seq >= 0 && a.Seq < out.Next {
		out.Reports = append(out.Reports, t.reports[max(0, a.Seq-t.first):]...)
	}
	return nil
}

// CallFollowed is [Call] of a method that takes long: what the holder says
// meanwhile is given to say.
func CallFollowed(ctx context.Context, lab, method string, args, reply any, say func(ui.Report)) error {
	client, err := dial(lab)
	if err != nil {
		return err
	}
	defer client.Close()
	ask := func(a After, out *Said) *rpc.Call {
		return client.Go(service+".Said", &a, out, make(chan *rpc.Call, 1))
	}
	var said Said
	if err := wait(ctx, ask(After{Seq: -1}, &said)); err != nil {
		return err
	}
	work := client.Go(service+"."+method, args, reply, make(chan *rpc.Call, 1))
	for {
		var more Said
		follow := ask(After{said.Next, true}, &more)
		select {
		case <-work.Done:
			if wait(ctx, ask(After{Seq: said.Next}, &more)) == nil {
				for _, r := range more.Reports {
					say(r)
				}
			}
			return remote(work.Error)
		case <-follow.Done:
			if follow.Error != nil {
				return wait(ctx, work)
			}
			for _, r := range more.Reports {
				say(r)
			}
			said = more
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
