package session

import (
	"cmp"
	"context"
	"time"

	"github.com/situlab/situlab/grader/evidence"
	"github.com/situlab/situlab/labnet/watch"
	"github.com/situlab/situlab/labnet/watch/term"
)

// lineEvery is how often what was typed is asked for that nothing more will be
// heard of.
const lineEvery = time.Second

// screen takes an event of a terminal: lines that were typed inside an
// interactive program are cut from its screen.
func (r *recorders) screen(id string, e term.Event) {
	if r != nil {
		r.deliver(r.lines.Screen(id, e))
	}
}

// deliver journals what became known of typed lines.
func (r *recorders) deliver(lines []watch.TermLine) {
	if r.s.off("terminal") {
		return
	}
	for _, l := range lines {
		at := cmp.Or(l.Node, r.s.admin)
		switch {
		case l.Shell:
			r.s.footprint.touch(l.Node)
		case l.Uncut:
			r.append(evidence.Entry{Source: "terminal", Node: at, Actor: "candidate", BootNS: l.BootNS,
				Payload: &evidence.TermUncut{Terminal: l.Terminal, Program: l.Program, Detail: l.Detail}})
		default:
			r.append(evidence.Entry{Source: "terminal", Node: at, Actor: "candidate", BootNS: l.BootNS,
				Payload: &evidence.TermInputLine{Terminal: l.Terminal, Program: l.Program, Prompt: l.Prompt, Line: l.Line}})
			r.changed(at)
		}
	}
}

// watchLines lets time pass for what is waited for in vain.
func (r *recorders) watchLines(ctx context.Context) {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.deliver(r.lines.Tick(watch.Now()))
		case <-ctx.Done():
			return
		}
	}
}
