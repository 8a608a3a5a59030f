package watch

import (
	"slices"
	"strings"
	"time"
)

// gatherer puts like events of one node together.
type gatherer struct {
	node  string
	every time.Duration
	out   func(FileEvent)
	last  map[string]*FileEvent
	order []string
	until time.Time // when the oldest is told
	quiet map[string]*FileEvent
	when  time.Time // when the volatile directories' counts are told
}

func (g *gatherer) empty() bool { return len(g.last) == 0 && len(g.quiet) == 0 }

func (g *gatherer) due() time.Time {
	if len(g.last) == 0 || (len(g.quiet) > 0 && g.when.Before(g.until)) {
		return g.when
	}
	return g.until
}

func (g *gatherer) add(e FileEvent) {
	if dir := volatileDir(e.Path); dir != "" && (e.Op == "created" || e.Op == "modified" || e.Op == "attr") {
		if g.quiet == nil {
			g.quiet = map[string]*FileEvent{}
		}
		if len(g.quiet) == 0 {
			g.when = time.Now().Add(gatherVolatile)
		}
		if q := g.quiet[dir]; q != nil {
			q.Count++
			return
		}
		e.Path, e.Op, e.PID = dir, "modified", 0
		g.quiet[dir] = &e
		return
	}
	// A rename or a deletion ends what was gathered of that name.
	if old := g.last[e.Path]; old != nil {
		if same(old.Op, e.Op) && old.PID == e.PID {
			old.Count++
			return
		}
		g.tell()
	}
	if len(g.last) == 0 {
		g.until = time.Now().Add(g.every)
	}
	g.last[e.Path] = &e
	g.order = append(g.order, e.Path)
}

// same: writing or touching a file that was just created is part of creating it.
func same(old, next string) bool {
	return old == next || (old == "created" && (next == "modified" || next == "attr")) || (old == "modified" && next == "attr")
}

// tell gives everything gathered, in order.
func (g *gatherer) tell() {
	for _, p := range g.order {
		g.out(*g.last[p])
	}
	clear(g.last)
	g.order = g.order[:0]
}

func (g *gatherer) flush(all bool) {
	now := time.Now()
	if len(g.last) > 0 && (all || !now.Before(g.until)) {
		g.tell()
	}
	if len(g.quiet) > 0 && (all || !now.Before(g.when)) {
		dirs := make([]string, 0, len(g.quiet))
		for d := range g.quiet {
			dirs = append(dirs, d)
		}
		slices.Sort(dirs)
		for _, d := range dirs {
			g.out(*g.quiet[d])
		}
		clear(g.quiet)
	}
}

// IsVolatile says whether a path lies in one of the Volatile directories.
func IsVolatile(p string) bool { return volatileDir(p) != "" }

func volatileDir(p string) string {
	for _, d := range Volatile {
		if p == d || strings.HasPrefix(p, d+"/") {
			return d
		}
	}
	return ""
}
