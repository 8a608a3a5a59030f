package report

import (
	"fmt"
	"sort"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
)

// Geometry of the timeline, in SVG units (the page scales it).
const (
	timeWidth = 1040.0
	timeLeft  = 240.0
	timeRight = 1030.0
	laneH     = 20.0
	rowH      = 16.0
	subRowH   = 9.0
)

// Timeline is the drawing of services and actions as data.
type Timeline struct {
	Height  float64
	Axis    float64 // y of the axis
	Ticks   []Tick
	Lanes   []Lane
	Rows    []Row
	Zones   []Zone
	Finish  float64
	Top     float64
	Span    float64 // height of lanes and rows
	Outages []Interruption
}

// Tick is a mark of the axis.
type Tick struct {
	X     float64
	Label string
}

// Lane is a row of actions of one kind.
type Lane struct {
	Y     float64
	Key   string // of the texts
	Marks []Mark
}

// Mark is one action. Shape is "test", "disc", "change" or "message".
type Mark struct {
	X, Y  float64
	Shape string
	Seq   uint64
	Title evidence.Text
}

// Row is the state of a network, or (Sub) of one failing service there.
type Row struct {
	Y, H  float64
	Label evidence.Text
	Sub   bool
	Bars  []Bar
}

// Bar is a span of one state: "up", "down" or "unknown".
type Bar struct {
	X, W  float64
	State string
	Title string
}

// Zone is a shaded span: a pause, the observation after the end, the restart.
type Zone struct {
	X, W float64
	Kind string // "pause", "watch", "cold"
}

// Interruption is an outage in words.
type Interruption struct {
	Network, Service evidence.Text
	From, To         string
	Open             bool
}

// clock turns boot_ns into what the page shows.
type clock struct {
	view *check.View
	from int64
	to   int64
}

func (c clock) x(at int64) float64 {
	if at < c.from {
		at = c.from
	}
	if at > c.to {
		at = c.to
	}
	return snap(timeLeft + (timeRight-timeLeft)*float64(at-c.from)/float64(max(1, c.to-c.from)))
}

// snap keeps the drawing's numbers short and stable.
func snap(f float64) float64 { return float64(int(f*10+0.5)) / 10 }

// since prints the time since the entry as "+12:34", "+1:02:03" after an hour.
func (c clock) since(at int64) string {
	s := (at - c.from) / 1e9
	sign := "+"
	if s < 0 {
		sign, s = "−", -s
	}
	if s >= 3600 {
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d:%02d", sign, s/60, s%60)
}

func newClock(v *check.View) clock {
	c := clock{view: v, from: v.Enter, to: v.Finish}
	for _, s := range v.Samples {
		c.to = max(c.to, s.BootNS)
	}
	if c.to <= c.from {
		c.to = c.from + 1e9
	}
	return c
}

// span is a state of one probe from one sample to the next.
type span struct {
	from, to int64
	state    string
}

func buildTimeline(v *check.View, c clock, writings []Writing) Timeline {
	t := Timeline{Top: 8}
	y := t.Top
	t.Lanes = lanes(v, c, writings)
	for i := range t.Lanes {
		t.Lanes[i].Y = y + laneH/2
		for j := range t.Lanes[i].Marks {
			t.Lanes[i].Marks[j].Y = t.Lanes[i].Y
		}
		y += laneH
	}
	y += 8
	for _, seg := range segments(v) {
		bySvc := serviceSpans(v, c, seg.id)
		if len(bySvc) == 0 {
			continue
		}
		t.Rows = append(t.Rows, Row{Y: y, H: rowH, Label: clipped(seg.label), Bars: bars(union(bySvc), c)})
		y += rowH + 2
		for _, svc := range services(bySvc) {
			label := v.ServiceLabel(svc)
			red := false
			for _, s := range bySvc[svc] {
				if s.state == "down" {
					red = true
					t.Outages = append(t.Outages, Interruption{Network: seg.label, Service: label, From: c.since(s.from),
						To: c.since(s.to), Open: s.to >= c.to})
				}
			}
			if red {
				t.Rows = append(t.Rows, Row{Y: y, H: subRowH, Label: clipped(label), Sub: true, Bars: bars(bySvc[svc], c)})
				y += subRowH + 2
			}
		}
		y += 4
	}
	t.Span, t.Axis = y-t.Top, y+2
	t.Height = y + 34
	t.Finish = c.x(v.Finish)
	t.Zones = zones(v, c)
	t.Ticks = ticks(c)
	return t
}

func lanes(v *check.View, c clock, writings []Writing) []Lane {
	tests := Lane{Key: "tests"}
	for _, cmd := range v.Tests() {
		shape := "test"
		if cmd.Discriminating {
			shape = "disc"
		}
		tests.Marks = append(tests.Marks, Mark{X: c.x(cmd.BootNS), Shape: shape, Seq: cmd.Seq,
			Title: same(c.since(cmd.BootNS) + " · " + cmd.Node + " · " + cmd.Text)})
	}
	changes := Lane{Key: "changes"}
	for _, ch := range v.Changes {
		changes.Marks = append(changes.Marks, Mark{X: c.x(ch.BootNS), Shape: "change", Seq: ch.Seq,
			Title: same(c.since(ch.BootNS) + " · " + ch.Node + " · " + ch.Text)})
	}
	messages := Lane{Key: "messages"}
	for _, w := range writings {
		if w.Mine {
			messages.Marks = append(messages.Marks, Mark{X: c.x(w.bootNS), Shape: "message", Seq: w.Seq,
				Title: tx(w.Since+" · "+w.Kind.FR, w.Since+" · "+w.Kind.EN)})
		}
	}
	return []Lane{tests, changes, messages}
}

type segment struct {
	id    string
	label evidence.Text
}

// clipped is a label that fits beside the drawing.
func clipped(t evidence.Text) evidence.Text { return tx(clip(t.FR), clip(t.EN)) }

const maxLabel = 42

func clip(s string) string {
	if r := []rune(s); len(r) > maxLabel {
		return string(r[:maxLabel-1]) + "…"
	}
	return s
}

// segments lists the networks that were measured, hit ones first.
func segments(v *check.View) []segment {
	seen := map[string]bool{}
	var out []segment
	for _, s := range v.Samples {
		if !seen[s.Segment] && !s.Control {
			seen[s.Segment] = true
			out = append(out, segment{s.Segment, v.SegmentLabel(s.Segment)})
		}
	}
	hit := map[string]bool{}
	for _, id := range v.Facts.HitSegments {
		hit[id] = true
	}
	sort.SliceStable(out, func(i, j int) bool {
		if hit[out[i].id] != hit[out[j].id] {
			return hit[out[i].id]
		}
		return out[i].id < out[j].id
	})
	return out
}

// serviceSpans cuts the samples of a network into spans, by service.
func serviceSpans(v *check.View, c clock, seg string) map[string][]span {
	gap := int64(90 * max(v.Factor, 0.05) * 1e9)
	out := map[string][]span{}
	last := map[string]int64{}
	for _, s := range v.Samples {
		if s.Segment != seg || s.BootNS < c.from || s.Control {
			continue
		}
		state := "up"
		if !s.OK {
			state = "down"
		}
		l := out[s.Service]
		if n := len(l); n > 0 {
			if s.BootNS-last[s.Service] > gap {
				l[n-1].to = last[s.Service]
				l = append(l, span{last[s.Service], s.BootNS, "unknown"})
				n++
			} else {
				l[n-1].to = s.BootNS
			}
			if l[n-1].state != state {
				l = append(l, span{s.BootNS, s.BootNS, state})
			}
		} else {
			l = append(l, span{s.BootNS, s.BootNS, state})
		}
		out[s.Service], last[s.Service] = l, s.BootNS
	}
	return out
}

func services(m map[string][]span) []string {
	out := make([]string, 0, len(m))
	for s := range m {
		out = append(out, s)
	}
	sort.Strings(out)
	return out
}

// union is the state of a whole network: down as soon as one service is.
func union(m map[string][]span) []span {
	var cuts []int64
	for _, l := range m {
		for _, s := range l {
			cuts = append(cuts, s.from, s.to)
		}
	}
	sort.Slice(cuts, func(i, j int) bool { return cuts[i] < cuts[j] })
	var out []span
	for i := 1; i < len(cuts); i++ {
		a, b := cuts[i-1], cuts[i]
		if a == b {
			continue
		}
		state := "unknown"
		for _, l := range m {
			for _, s := range l {
				if s.from <= a && s.to >= b {
					if s.state == "down" {
						state = "down"
					} else if s.state == "up" && state == "unknown" {
						state = "up"
					}
				}
			}
		}
		if n := len(out); n > 0 && out[n-1].state == state {
			out[n-1].to = b
		} else {
			out = append(out, span{a, b, state})
		}
	}
	return out
}

func bars(l []span, c clock) []Bar {
	var out []Bar
	for _, s := range l {
		x := c.x(s.from)
		out = append(out, Bar{X: x, W: snap(max(1, c.x(s.to)-x)), State: s.state, Title: c.since(s.from) + " – " + c.since(s.to)})
	}
	return out
}

func zones(v *check.View, c clock) []Zone {
	var out []Zone
	add := func(kind string, from, to int64) {
		if to > from && to >= c.from {
			x := c.x(from)
			out = append(out, Zone{X: x, W: snap(c.x(to) - x), Kind: kind})
		}
	}
	for _, p := range v.Pauses() {
		add("pause", p[0], p[1])
	}
	watchEnd, coldStart := c.to, int64(-1)
	for _, s := range v.Samples {
		if s.Phase == evidence.PhaseColdStart {
			coldStart = s.BootNS
			break
		}
	}
	if coldStart >= 0 {
		watchEnd = coldStart
		add("cold", coldStart, c.to)
	}
	add("watch", v.Finish, watchEnd)
	return out
}

// ticks chooses a step that gives between five and twelve marks.
func ticks(c clock) []Tick {
	total := (c.to - c.from) / 1e9
	step := int64(3600)
	for _, s := range []int64{5, 10, 15, 30, 60, 120, 300, 600, 900, 1800} {
		if total/s <= 12 {
			step = s
			break
		}
	}
	var out []Tick
	for s := int64(0); s <= total && len(out) < 40; s += step {
		out = append(out, Tick{X: c.x(c.from + s*1e9), Label: c.since(c.from + s*1e9)[1:]})
	}
	return out
}
