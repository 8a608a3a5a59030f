package check

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/situlab/situlab/grader/evidence"
)

// View is a session's evidence, sorted for the rules. It holds no name of the
// candidate or of the variant.
type View struct {
	Facts  evidence.Facts
	Start  evidence.SessionStart
	Factor float64
	// Enter and Finish are boot_ns; Finish is the last record's time when the
	// journal has no session.finish.
	Enter, Finish       int64
	EnterSeq, FinishSeq uint64
	// Unfinished is true when the candidate's part did not come to its end:
	// nobody entered, nothing says that it was finished, or it was interrupted.
	Unfinished bool

	Invalid              *evidence.SessionInvalid
	InvalidSeq, StartSeq uint64

	Samples  []Sample
	Commands []Command
	Changes  []Change
	Uncut    []*evidence.Record

	byType map[evidence.Type][]*evidence.Record
	net    []netChange
	pauses []interval
	starve []interval // the host had too little for the lab
	badCtl []interval // the control service was red
	lost   map[string]uint64
	off    map[string]bool
	lossEv map[string][]uint64
}

type interval struct{ from, to int64 }

// Sample is a probe sample with its place in the journal.
type Sample struct {
	*evidence.ProbeSample
	Seq    uint64
	BootNS int64
}

// ErrNoFacts says that the journal does not tell what was to be expected.
var ErrNoFacts = errors.New("the journal has no session.facts record: the session did not end properly, so it cannot be graded")

// NewView reads the records of one session. It fails when they cannot be
// graded at all: no start, no facts, or facts that are not those sealed.
func NewView(records []*evidence.Record) (*View, error) {
	var facts *evidence.SessionFacts
	for _, r := range records {
		if f, ok := evidence.As[evidence.SessionFacts](r); ok {
			facts = f
		}
	}
	if facts == nil {
		return nil, ErrNoFacts
	}
	v, err := newView(records, facts.Facts)
	if err != nil {
		return nil, err
	}
	for _, r := range v.byType[evidence.TypeSessionSeal] {
		seal, _ := evidence.As[evidence.SessionSeal](r)
		sum, err := facts.Facts.Commitment(facts.Salt)
		if err != nil {
			return nil, err
		}
		if sum != seal.Commitment {
			return nil, fmt.Errorf("the facts revealed at the end are not those sealed in record %d", r.Seq)
		}
	}
	return v, nil
}

func newView(records []*evidence.Record, facts evidence.Facts) (*View, error) {
	v := &View{Facts: facts, Factor: 1, byType: map[evidence.Type][]*evidence.Record{},
		lost: map[string]uint64{}, off: map[string]bool{}, lossEv: map[string][]uint64{}}
	var last int64
	for _, r := range records {
		if r.Type == evidence.TypeSessionIdentity {
			continue // the grader is blind to names
		}
		v.byType[r.Type] = append(v.byType[r.Type], r)
		last = max(last, r.BootNS)
	}
	started := v.byType[evidence.TypeSessionStart]
	if len(started) == 0 {
		return nil, errors.New("the journal has no session.start record")
	}
	s, _ := evidence.As[evidence.SessionStart](started[0])
	v.Start, v.StartSeq = *s, started[0].Seq
	if s.TimeFactor > 0 {
		v.Factor = s.TimeFactor
	}
	v.Enter, v.Finish = started[0].BootNS, last
	e, f := v.first(evidence.TypeSessionEnter), v.first(evidence.TypeSessionFinish)
	if e != nil {
		v.Enter, v.EnterSeq = e.BootNS, e.Seq
	}
	if f != nil {
		v.Finish, v.FinishSeq = f.BootNS, f.Seq
	}
	if i := v.first(evidence.TypeSessionInvalid); i != nil {
		v.Invalid, _ = evidence.As[evidence.SessionInvalid](i)
		v.InvalidSeq = i.Seq
	}
	v.Unfinished = e == nil || f == nil || cutShort(f)
	v.pauses = v.spans(evidence.TypeClockPaused, evidence.TypeClockResumed, last)
	v.readHealth()
	v.readRecorders()
	for _, r := range v.byType[evidence.TypeProbeSample] {
		p, _ := evidence.As[evidence.ProbeSample](r)
		v.Samples = append(v.Samples, Sample{p, r.Seq, r.BootNS})
	}
	sort.SliceStable(v.Samples, func(i, j int) bool { return v.Samples[i].BootNS < v.Samples[j].BootNS })
	v.Commands = readCommands(v)
	v.net = v.readNetChanges()
	v.Changes = readChanges(v)
	v.Uncut = v.within(evidence.TypeTermUncut)
	return v, nil
}

// cutShort says whether a finish came from outside: not from the candidate, and
// not because the time or the script was over.
func cutShort(finish *evidence.Record) bool {
	f, _ := evidence.As[evidence.SessionFinish](finish)
	return f.Reason == evidence.FinishInterrupted || f.Reason == evidence.FinishInvalid
}

// first is the first record of a type, or nil.
func (v *View) first(t evidence.Type) *evidence.Record {
	if l := v.byType[t]; len(l) > 0 {
		return l[0]
	}
	return nil
}

// Records returns the records of a type in journal order.
func (v *View) Records(t evidence.Type) []*evidence.Record { return v.byType[t] }

// within returns the records of a type between entry and finish.
func (v *View) within(t evidence.Type) []*evidence.Record {
	var out []*evidence.Record
	for _, r := range v.byType[t] {
		if r.BootNS >= v.Enter && r.BootNS <= v.Finish {
			out = append(out, r)
		}
	}
	return out
}

func (v *View) spans(from, to evidence.Type, last int64) []interval {
	var out []interval
	resumed := v.byType[to]
	for _, p := range v.byType[from] {
		i := interval{p.BootNS, last}
		for _, r := range resumed {
			if r.Seq > p.Seq {
				i.to = r.BootNS
				break
			}
		}
		if n := len(out); n == 0 || i.from >= out[n-1].to {
			out = append(out, i)
		}
	}
	return out
}

// Active is the time between two moments, pauses left out, in seconds.
func (v *View) Active(from, to int64) float64 {
	d := to - from
	for _, p := range v.pauses {
		d -= max(0, min(to, p.to)-max(from, p.from))
	}
	return float64(d) / 1e9
}

// Pauses are the spans in which the clock stood, in boot_ns.
func (v *View) Pauses() [][2]int64 {
	out := make([][2]int64, len(v.pauses))
	for i, p := range v.pauses {
		out[i] = [2]int64{p.from, p.to}
	}
	return out
}

// readHealth finds when the host starved the lab and when the control service
// was red. A sample's figures are those since the sample before. The record that
// ends a span closes it; without one it ends with the finish, or with the last
// sample if that came later: of what follows nobody knows.
func (v *View) readHealth() {
	var starve, control open
	before := int64(-1)
	records := v.byType[evidence.TypeRecorderHealth]
	for _, r := range records {
		h, _ := evidence.As[evidence.HostHealth](r)
		since := before
		if since < 0 {
			since = r.BootNS
		}
		starve.sample(h.Starved(), since, r.BootNS)
		control.sample(!h.ControlOK, r.BootNS, r.BootNS)
		before = r.BootNS
	}
	end := max(v.Finish, before)
	v.starve, v.badCtl = starve.close(end), control.close(end)
}

// open collects the spans of a state that samples tell.
type open struct {
	spans   []interval
	from    int64
	running bool
}

// sample says what is the case now; since is when it began if it is new.
func (o *open) sample(is bool, since, now int64) {
	switch {
	case is && !o.running:
		o.from, o.running = since, true
	case !is && o.running:
		o.spans, o.running = append(o.spans, interval{o.from, now}), false
	}
}

func (o *open) close(end int64) []interval {
	o.sample(false, end, end)
	return o.spans
}

// starved says whether the host was out of band at a moment.
func (v *View) starved(at int64) bool {
	for _, i := range v.starve {
		if at >= i.from && at <= i.to {
			return true
		}
	}
	return false
}

// lossTold is how long after it happened a loss may be told, in nanoseconds.
const lossTold = int64(5 * time.Second)

func (v *View) readRecorders() {
	for _, r := range v.byType[evidence.TypeRecorderLoss] {
		l, _ := evidence.As[evidence.RecorderLoss](r)
		// What is lost of the examinations is no part of the candidate's work; a loss
		// of the work is told a moment later.
		if l.Lost > 0 && r.BootNS <= v.Finish+lossTold {
			v.lost[l.Recorder] += l.Lost
			v.lossEv[l.Recorder] = append(v.lossEv[l.Recorder], r.Seq)
		}
	}
	for _, r := range v.byType[evidence.TypeRecorderState] {
		s, _ := evidence.As[evidence.RecorderState](r)
		// Going off after the candidate has finished is the normal end.
		if !s.On && r.BootNS < v.Finish {
			v.off[s.Recorder] = true
			v.lossEv[s.Recorder] = append(v.lossEv[s.Recorder], r.Seq)
		}
	}
}

// Lossy returns the evidence of losses of the named recorders, nil if they
// saw everything.
func (v *View) Lossy(recorders ...string) []uint64 {
	var ev []uint64
	for _, r := range recorders {
		ev = append(ev, v.lossEv[r]...)
	}
	return ev
}

// Off says whether one of the recorders was off while the candidate worked.
func (v *View) Off(recorders ...string) bool {
	for _, r := range recorders {
		if v.off[r] {
			return true
		}
	}
	return false
}

// Declared says whether the scenario exercises a point.
func (v *View) Declared(point string) bool {
	for _, p := range v.Facts.Points {
		if p == point {
			return true
		}
	}
	return false
}

// scaled multiplies a threshold in seconds by the time factor; zero takes the
// default.
func (v *View) scaled(s, def float64) float64 {
	if s == 0 {
		s = def
	}
	return s * v.Factor
}

// element finds an element of the form.
func (v *View) element(id string) (evidence.Element, bool) {
	for _, e := range v.Facts.Elements {
		if e.ID == id {
			return e, true
		}
	}
	return evidence.Element{}, false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
