package check

import (
	"sort"

	"github.com/situlab/situlab/grader/evidence"
)

// Unscaled defaults of criterion 3.1-ii: domain rule M3.
const (
	DefaultPermanenceSeconds = 600
	DefaultPermanenceSamples = 40
)

// PermanenceState says what the permanence rule still needs.
type PermanenceState struct {
	// Unseen are hit probes without any sample since the entry.
	Unseen []string
	// Red are hit probes red at finish (their first sample after it, or the
	// last one before it).
	Red []string
	// Relapsed are hit probes green at finish and red later.
	Relapsed []string
	// Since is the boot_ns from which all hit probes are green.
	Since int64
	// SpanSeconds is how long they have been; MissingSeconds what the rule
	// still asks (both without pauses, scaled by the time factor).
	SpanSeconds    float64
	MissingSeconds float64
	// Samples is the smallest number of green samples of a hit probe since
	// then; MissingSamples what is still asked.
	Samples        int
	MissingSamples int

	// Pending says that a sample failed after a green one and no other has been
	// taken since: the next one decides.
	Pending bool

	needSeconds float64
	red, green  []uint64 // samples that the findings rest on
}

// Complete says whether the window is full and green.
func (p PermanenceState) Complete() bool {
	return p.Decided() && len(p.Red)+len(p.Relapsed)+len(p.Unseen) == 0
}

// Decided says whether waiting longer can change nothing any more.
func (p PermanenceState) Decided() bool {
	if len(p.Red)+len(p.Relapsed) > 0 {
		return true
	}
	return len(p.Unseen) == 0 && !p.Pending && p.MissingSeconds <= 0 && p.MissingSamples <= 0
}

// Permanence measures the permanence window over records of a session, which
// need only hold its session.*, clock.*, probe.sample and recorder.health
// records, while it is still being observed. A journal without session.start
// has an unseen window.
func Permanence(records []*evidence.Record, facts evidence.Facts) PermanenceState {
	v, err := newView(records, facts)
	if err != nil {
		return PermanenceState{Unseen: facts.HitProbes}
	}
	return v.permanence()
}

func (v *View) permanence() PermanenceState {
	st := PermanenceState{needSeconds: v.scaled(v.Facts.Thresholds.PermanenceSeconds, DefaultPermanenceSeconds)}
	needSamples := v.Facts.Thresholds.PermanenceSamples
	if needSamples == 0 {
		needSamples = DefaultPermanenceSamples
	}
	st.MissingSeconds, st.MissingSamples = st.needSeconds, needSamples
	byProbe := v.hitSamples(evidence.PhaseSession, evidence.PhasePermanence)
	var lastRed int64
	for _, probe := range v.hitProbes() {
		samples := byProbe[probe]
		atEnd := -1
		for i, s := range samples {
			if s.BootNS <= v.Finish || atEnd < 0 || samples[atEnd].BootNS < v.Finish {
				atEnd = i
			}
		}
		if atEnd < 0 {
			st.Unseen = append(st.Unseen, probe)
			continue
		}
		red, pending := redSamples(samples, needSamples)
		st.Pending = st.Pending || pending
		if red[atEnd] {
			st.Red = append(st.Red, probe)
			st.red = append(st.red, samples[atEnd].Seq)
		}
		for i, s := range samples {
			if !red[i] {
				continue
			}
			lastRed = max(lastRed, s.BootNS)
			if i <= atEnd || red[atEnd] {
				continue
			}
			st.red = append(st.red, s.Seq)
			if !contains(st.Relapsed, probe) {
				st.Relapsed = append(st.Relapsed, probe)
			}
		}
	}
	if len(st.Unseen)+len(st.Red) > 0 || len(byProbe) == 0 {
		return st
	}
	st.measure(v, byProbe, lastRed, needSamples)
	return st
}

// redSamples says which samples of a probe count as red. One that fails alone,
// between two that succeed, is what a user tries again: it does not count, unless
// another one does the same within the window of the rule, which is a service that
// comes and goes. A red one with nothing behind it yet, after a green one, is
// pending: the next sample decides.
func redSamples(samples []Sample, window int) (red []bool, pending bool) {
	red = make([]bool, len(samples))
	alone := -1 - window
	for i, s := range samples {
		switch {
		case s.OK:
		case i == 0 || !samples[i-1].OK:
			red[i] = true
		case i+1 == len(samples):
			pending = true
		case !samples[i+1].OK:
			red[i] = true
		default:
			if alone >= 0 && i-alone <= window {
				red[i], red[alone] = true, true
			}
			alone = i
		}
	}
	return red, pending
}

// measure fills the green window after lastRed.
func (st *PermanenceState) measure(v *View, byProbe map[string][]Sample, lastRed int64, needSamples int) {
	var since, until int64
	until = -1
	for _, samples := range byProbe {
		i := sort.Search(len(samples), func(i int) bool { return samples[i].BootNS > lastRed })
		if i == len(samples) {
			return
		}
		since = max(since, samples[i].BootNS)
		if end := samples[len(samples)-1].BootNS; until < 0 || end < until {
			until = end
		}
	}
	st.Samples = -1
	for _, probe := range v.hitProbes() {
		n := 0
		samples := byProbe[probe]
		for _, s := range samples {
			if s.BootNS > lastRed && s.OK {
				if n == 0 {
					st.green = append(st.green, s.Seq)
				}
				n++
			}
		}
		st.green = append(st.green, samples[len(samples)-1].Seq)
		if st.Samples < 0 || n < st.Samples {
			st.Samples = n
		}
	}
	st.Since = since
	st.SpanSeconds = max(0, v.Active(since, until))
	st.MissingSeconds = max(0, st.needSeconds-st.SpanSeconds)
	st.MissingSamples = max(0, needSamples-st.Samples)
}

// hitProbes is the hit population, sorted.
func (v *View) hitProbes() []string {
	out := append([]string(nil), v.Facts.HitProbes...)
	sort.Strings(out)
	return out
}

// hitSamples groups the samples of the hit probes of some phases since the
// entry. A red sample taken while the host starved the lab proves nothing and
// is left out.
func (v *View) hitSamples(phases ...string) map[string][]Sample {
	out := map[string][]Sample{}
	for _, s := range v.Samples {
		if s.BootNS < v.Enter || !contains(phases, s.Phase) || !contains(v.Facts.HitProbes, s.Probe) {
			continue
		}
		if !s.OK && v.starved(s.BootNS) {
			continue
		}
		out[s.Probe] = append(out[s.Probe], s)
	}
	return out
}

// coldState is what the cold start showed.
type coldState struct {
	done bool
	// sound is true when the company came up as it should, but for what the
	// candidate had touched: only then does a red service tell of the repair.
	sound      bool
	missing    []string // machines that did not come back
	unsure     []string // hit probes without a sample, or now green and now red
	red        []string // hit probes that stayed red
	collateral []string // other probes, green before the candidate, red now

	decisive, green []uint64 // the record, every red sample; green samples
}

// allGreen says whether all that was hit is green after the cold start.
func (c coldState) allGreen() bool { return c.done && len(c.red)+len(c.unsure) == 0 }

// settle is how many last samples of a probe from one post decide after a cold
// start, or all there are if fewer: all green is green, all red is red.
const settle = 3

// postState is what one post's last samples of a probe say.
type postState int

const (
	postGreen postState = iota
	postUnsure
	postRed
)

func (v *View) coldStart() coldState {
	var st coldState
	records := v.byType[evidence.TypeExamColdStart]
	if len(records) == 0 {
		return st
	}
	r := records[len(records)-1]
	rec, _ := evidence.As[evidence.ExamColdStart](r)
	st.done, st.decisive = true, []uint64{r.Seq}
	st.missing = rec.Failed
	st.sound = rec.Settled && rec.Restarted+len(rec.Failed) >= rec.Nodes
	for _, n := range rec.Failed {
		st.sound = st.sound && v.touched(n)
	}
	byPost := map[string]map[string][]Sample{} // probe -> post -> samples
	before := map[string]bool{}
	for _, s := range v.Samples {
		if s.Phase == evidence.PhaseColdStart && (s.OK || !v.starved(s.BootNS)) {
			if byPost[s.Probe] == nil {
				byPost[s.Probe] = map[string][]Sample{}
			}
			byPost[s.Probe][s.Post] = append(byPost[s.Probe][s.Post], s)
		}
		if s.BootNS < v.Enter {
			before[s.Probe] = s.OK
		}
	}
	for _, probe := range v.hitProbes() {
		if len(byPost[probe]) == 0 {
			st.unsure = append(st.unsure, probe)
		}
	}
	for _, probe := range keys(byPost) {
		worst, red, green := postGreen, []uint64(nil), []uint64(nil)
		control := false
		for _, post := range keys(byPost[probe]) {
			samples := byPost[probe][post]
			last := samples[max(0, len(samples)-settle):]
			state, bad := judgePost(last)
			worst, red = max(worst, state), append(red, bad...)
			green, control = append(green, last[len(last)-1].Seq), control || last[0].Control
		}
		hit := contains(v.Facts.HitProbes, probe)
		switch {
		case hit && worst == postRed:
			st.red = append(st.red, probe)
			st.decisive = append(st.decisive, red...)
		case hit && worst == postUnsure:
			st.unsure = append(st.unsure, probe)
			st.decisive = append(st.decisive, red...)
		case hit:
			st.green = append(st.green, green...)
		case worst == postRed && before[probe] && !control:
			st.collateral = append(st.collateral, probe)
			st.decisive = append(st.decisive, red...)
		}
	}
	return st
}

// judgePost says what the last samples of one post tell, and which are red.
func judgePost(last []Sample) (state postState, red []uint64) {
	for _, s := range last {
		if !s.OK {
			red = append(red, s.Seq)
		}
	}
	switch len(red) {
	case 0:
		return postGreen, nil
	case len(last):
		return postRed, red
	}
	return postUnsure, red
}

// keys lists the keys of a map, sorted.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
