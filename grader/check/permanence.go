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

	needSeconds float64
	evidence    []uint64
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
	return len(p.Unseen) == 0 && p.MissingSeconds <= 0 && p.MissingSamples <= 0
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
		if !samples[atEnd].OK {
			st.Red = append(st.Red, probe)
			st.evidence = append(st.evidence, samples[atEnd].Seq)
		}
		for i, s := range samples {
			if s.OK {
				continue
			}
			lastRed = max(lastRed, s.BootNS)
			if i > atEnd && samples[atEnd].OK && !contains(st.Relapsed, probe) {
				st.Relapsed = append(st.Relapsed, probe)
				st.evidence = append(st.evidence, s.Seq)
			}
		}
	}
	if len(st.Unseen)+len(st.Red) > 0 || len(byProbe) == 0 {
		return st
	}
	st.measure(v, byProbe, lastRed, needSamples)
	return st
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
			if s.BootNS > lastRed {
				if n == 0 {
					st.evidence = append(st.evidence, s.Seq)
				}
				n++
			}
		}
		st.evidence = append(st.evidence, samples[len(samples)-1].Seq)
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
	done       bool
	record     *evidence.ExamColdStart
	unseen     []string // hit probes without a sample
	red        []string // hit probes not green at the end
	collateral []string // other probes, green before the candidate, red now
	evidence   []uint64
}

// settle is how many last samples of a probe must be green after a cold start.
const settle = 3

func (v *View) coldStart() coldState {
	var st coldState
	records := v.byType[evidence.TypeExamColdStart]
	if len(records) == 0 {
		return st
	}
	r := records[len(records)-1]
	st.record, _ = evidence.As[evidence.ExamColdStart](r)
	st.done = true
	st.evidence = append(st.evidence, r.Seq)
	byProbe := map[string][]Sample{}
	before := map[string]bool{}
	for _, s := range v.Samples {
		if s.Phase == evidence.PhaseColdStart && (s.OK || !v.starved(s.BootNS)) {
			byProbe[s.Probe] = append(byProbe[s.Probe], s)
		}
		if s.BootNS < v.Enter {
			before[s.Probe] = s.OK
		}
	}
	for _, probe := range v.hitProbes() {
		if len(byProbe[probe]) == 0 {
			st.unseen = append(st.unseen, probe)
		}
	}
	probes := make([]string, 0, len(byProbe))
	for p := range byProbe {
		probes = append(probes, p)
	}
	sort.Strings(probes)
	for _, probe := range probes {
		samples := byProbe[probe]
		ok := true
		for _, s := range samples[max(0, len(samples)-settle):] {
			ok = ok && s.OK
		}
		last := samples[len(samples)-1]
		hit := contains(v.Facts.HitProbes, probe)
		switch {
		case hit && !ok:
			st.red = append(st.red, probe)
			st.evidence = append(st.evidence, last.Seq)
		case hit:
			st.evidence = append(st.evidence, last.Seq)
		case !ok && before[probe] && !last.Control:
			st.collateral = append(st.collateral, probe)
			st.evidence = append(st.evidence, last.Seq)
		}
	}
	return st
}
