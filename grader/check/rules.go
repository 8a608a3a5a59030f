package check

import (
	"sort"

	"github.com/situlab/situlab/grader/evidence"
)

// rule decides one point.
type rule func(*View) Finding

// rules is the table of the points that the tool judges or documents. A
// declared point without a rule is laid before the jury.
var rules = map[string]rule{
	"3.1-i":   identified,
	"3.1-ii":  restored,
	"3.1-iii": logbook,
	"3.1-iv":  incidentReport,
	"3.2a":    methodical,
	"3.2b":    elementFound,
	"3.2d":    isolated,
	"3.3-i":   dataSafe,
	"3.3-ii":  usersTold,
	"3.3-iii": quality,
}

// onlyWithFault are points without object on the healthy twin.
var onlyWithFault = []string{"3.1-ii", "3.2b", "3.2d"}

// needs names the recorders without which nothing can be said about a point.
// What a point needs on the twin alone its own rule looks after.
var needs = map[string][]string{
	"3.1-i":   {"desk"},
	"3.1-ii":  {"probe"},
	"3.1-iii": {"desk"},
	"3.1-iv":  {"desk"},
	"3.2a":    {"exec", "terminal"},
	"3.2b":    {"desk"},
	"3.2d":    {"exec", "terminal"},
	"3.3-ii":  {"desk"},
	"3.3-iii": {"probe"},
}

// fromAbsence are points whose non_acquis says that a message is missing: a
// message that the desk's recorder lost may have been it.
var fromAbsence = []string{"3.1-i", "3.3-ii"}

// Point judges one point of the référentiel.
func Point(v *View, id string) Finding {
	switch {
	case !v.Declared(id):
		return finding(id, NotDeclared, nil, nil, nil)
	case v.Invalid != nil:
		return finding(id, EnvironmentInvalid, args{"detail": InvalidText(v.Invalid.Reason)},
			map[string]any{"environment": v.Invalid.Reason}, []uint64{v.InvalidSeq})
	case v.Facts.Truth.NoFault && contains(onlyWithFault, id):
		return finding(id, NoFaultHere, nil, nil, nil)
	case v.Off(needs[id]...):
		return finding(id, NotObserved, nil, nil, v.Lossy(needs[id]...))
	}
	r, ok := rules[id]
	if !ok {
		return finding(id, NotImplemented, nil, nil, nil)
	}
	f := r(v)
	if f.Outcome != NotAcquired {
		return f
	}
	if v.Unfinished { // what is missing may have been about to come
		return finding(id, SessionInterrupted, nil, f.Measured, []uint64{v.FinishSeq}).citing(f.Evidence)
	}
	if lost := v.Lossy(needs[id]...); len(lost) > 0 && contains(fromAbsence, id) {
		return finding(id, NotObserved, nil, f.Measured, lost)
	}
	return f
}

// answers are the sealed diagnoses up to the finish.
type answer struct {
	*evidence.Diagnosis
	seq    uint64
	bootNS int64
}

func (v *View) answers() []answer {
	var out []answer
	for _, r := range v.within(evidence.TypeMessageDiagnosis) {
		d, _ := evidence.As[evidence.Diagnosis](r)
		out = append(out, answer{d, r.Seq, r.BootNS})
	}
	return out
}

// revealed is the boot_ns of the first hint that told the answer, or -1.
func (v *View) revealed() (int64, uint64) {
	for _, r := range v.within(evidence.TypeMessageHintShown) {
		if h, _ := evidence.As[evidence.HintShown](r); h.Reveals {
			return r.BootNS, r.Seq
		}
	}
	return -1, 0
}

func (v *View) elementRight(id string) bool {
	return id != "" && (id == v.Facts.Truth.Element || contains(v.Facts.Truth.AlsoElements, id))
}

func (v *View) causeRight(id string) bool {
	return id != "" && (id == v.Facts.Truth.Cause || contains(v.Facts.Truth.AlsoCauses, id))
}

// elementParent says whether id directly carries the faulty element.
func (v *View) elementParent(id string) bool {
	e, ok := v.element(v.Facts.Truth.Element)
	return ok && id != "" && e.Parent == id
}

// Flags lists the facts that go before the jury beside the points.
func Flags(v *View) []Flag {
	out := []Flag{}
	for _, f := range []func(*View) *Flag{
		flagPerimeter, flagOutside, flagDataLost, flagWidened, flagRestoredWhileRed, flagDiagnosisAfter,
		flagUnattributed, flagUnexplained, flagHints, flagHost, flagControl, flagRecorderOff, flagLoss,
		flagInterrupted, flagResumed, flagTime,
	} {
		if x := f(v); x != nil {
			out = append(out, *x)
		}
	}
	return out
}

func one(f Flag) *Flag { return &f }

func flagPerimeter(v *View) *Flag {
	c := v.beyond()
	if len(c) == 0 {
		return nil
	}
	return one(flag(ChangesOutOfPerimeter, args{"nodes": nodesOf(c)},
		map[string]any{"changes": len(c), "nodes": nodesOf(c)}, evidenceOf(c)))
}

// flagOutside lays every change before the jury that was not made on the faulty
// element, also those that a repair may need elsewhere.
func flagOutside(v *View) *Flag {
	c := v.elsewhere()
	if len(c) == 0 {
		return nil
	}
	code, a := ChangesOutsideElement, args{"changes": len(c), "nodes": nodesOf(c)}
	if v.Facts.Truth.NoFault {
		code = ChangesWithoutFault
	}
	return one(flag(code, a, map[string]any{"changes": len(c), "nodes": nodesOf(c)}, evidenceOf(c)))
}

func flagDataLost(v *View) *Flag {
	_, lost, _ := v.canaries()
	if len(lost.names) == 0 {
		return nil
	}
	return one(flag(CanaryDataLost, args{"names": labels(lost.names, v.CanaryLabel)},
		map[string]any{"lost": len(lost.names), "names": lost.names}, lost.ev))
}

func flagWidened(v *View) *Flag {
	names, ev := v.widened()
	if len(names) == 0 {
		return nil
	}
	return one(flag(FlowMatrixWidened, args{"names": names}, map[string]any{"flows": len(names), "names": names}, ev))
}

// flagRestoredWhileRed compares a definitive declaration with the hit probes'
// next sample.
func flagRestoredWhileRed(v *View) *Flag {
	by := v.hitSamples(evidence.PhaseSession, evidence.PhasePermanence)
	for _, r := range v.within(evidence.TypeMessageRestored) {
		if d, _ := evidence.As[evidence.Restored](r); !d.Definitive {
			continue
		}
		var red []string
		ev := []uint64{r.Seq}
		for _, probe := range v.hitProbes() {
			s := by[probe]
			if i := sort.Search(len(s), func(i int) bool { return s[i].BootNS > r.BootNS }); i < len(s) && !s[i].OK {
				red = append(red, probe)
				ev = append(ev, s[i].Seq)
			}
		}
		if len(red) > 0 {
			return one(flag(UnsupportedDeclaration, args{"probes": v.ProbeLabels(red)},
				map[string]any{"probes": red}, ev))
		}
	}
	return nil
}

func flagDiagnosisAfter(v *View) *Flag {
	a := v.answers()
	if len(a) == 0 || v.Facts.Truth.NoFault {
		return nil
	}
	on := v.truthNodes()
	for _, c := range v.Changes {
		if contains(on, c.Node) && c.BootNS < a[0].bootNS {
			return one(flag(RepairBeforeDiagnosis, nil, nil, []uint64{c.Seq, a[0].seq}))
		}
	}
	return nil
}

func flagUnattributed(v *View) *Flag {
	n := 0
	var ev []uint64
	for _, c := range v.Changes {
		if c.Unattributed {
			n++
			ev = append(ev, c.Seq)
		}
	}
	if n == 0 {
		return nil
	}
	return one(flag(UnattributedWork, args{"n": n}, map[string]any{"changes": n}, ev))
}

func flagHints(v *View) *Flag {
	level, n := 0, 0
	var ev []uint64
	for _, r := range v.within(evidence.TypeMessageHintShown) {
		h, _ := evidence.As[evidence.HintShown](r)
		n, level, ev = n+1, max(level, h.Level), append(ev, r.Seq)
	}
	if n == 0 {
		return nil
	}
	return one(flag(HintUsed, args{"n": n, "level": level}, map[string]any{"hints": n, "level": level}, ev))
}

// hostFlagSeconds is the unscaled time out of band that is worth a flag: the
// host's trouble does not stretch with the candidate's time.
const hostFlagSeconds = 60

// healthFlag raises a flag when spans of the health's records last long enough
// together; bad says which records belong to them.
func healthFlag(v *View, code Reason, spans []interval, bad func(*evidence.HostHealth) bool) *Flag {
	total := 0.0
	for _, i := range spans {
		total += float64(i.to-i.from) / 1e9
	}
	if total < hostFlagSeconds {
		return nil
	}
	var ev []uint64
	for _, r := range v.byType[evidence.TypeRecorderHealth] {
		if h, _ := evidence.As[evidence.HostHealth](r); bad(h) {
			ev = append(ev, r.Seq)
		}
	}
	return one(flag(code, args{"span": seconds(total)}, map[string]any{"seconds": round(total)}, ev))
}

func flagHost(v *View) *Flag {
	return healthFlag(v, HostOutOfBand, v.starve, (*evidence.HostHealth).Starved)
}

func flagControl(v *View) *Flag {
	return healthFlag(v, ControlRed, v.badCtl, func(h *evidence.HostHealth) bool { return !h.ControlOK })
}

// flagUnexplained lists files that the closing account found changed while
// nobody was seen to change them.
func flagUnexplained(v *View) *Flag {
	var paths []string
	var ev []uint64
	for _, r := range v.byType[evidence.TypeFileChange] {
		f, _ := evidence.As[evidence.FileChange](r)
		if f.Origin == evidence.OriginUnknown && contains(v.Facts.Perimeter, r.Node) && isChange(f.Path) && !transient(f.Path) {
			paths, ev = append(paths, r.Node+":"+f.Path), append(ev, r.Seq)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return one(flag(UnexplainedFiles, args{"n": len(paths), "paths": paths}, map[string]any{"files": paths}, ev))
}

func flagRecorderOff(v *View) *Flag {
	var names []string
	var ev []uint64
	for r := range v.off {
		names = append(names, r)
		ev = append(ev, v.lossEv[r]...)
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return one(flag(RecorderOffFlag, args{"names": labels(names, RecorderLabel)}, map[string]any{"recorders": names}, ev))
}

func flagLoss(v *View) *Flag {
	var names []string
	m := map[string]any{}
	var ev []uint64
	for r, n := range v.lost {
		names = append(names, r)
		m[r] = n
		ev = append(ev, v.lossEv[r]...)
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return one(flag(RecorderLossFlag, args{"names": labels(names, RecorderLabel)}, m, ev))
}

func flagInterrupted(v *View) *Flag {
	if !v.Unfinished || v.Invalid != nil {
		return nil
	}
	return one(flag(InterruptedSession, nil, nil, []uint64{v.EnterSeq, v.FinishSeq}))
}

// flagResumed lays a break before the jury: how often, and what nobody may have
// seen, from the last record before a death until the machines stood still (or
// until the resume, if nobody stopped them).
func flagResumed(v *View) *Flag {
	var names []string
	var ev []uint64
	unseen := 0.0
	for _, r := range v.byType[evidence.TypeSessionResumed] {
		p, _ := evidence.As[evidence.SessionResumed](r)
		until := p.ResumeNS
		if p.HaltedNS != 0 {
			until = p.HaltedNS
		}
		unseen += max(0, float64(until-p.LastNS)/1e9)
		names, ev = append(names, p.Unseen...), append(ev, r.Seq)
	}
	if len(ev) == 0 {
		return nil
	}
	return one(flag(ResumedSession, args{"n": len(ev), "unseen": unseen, "m": len(names)},
		map[string]any{"resumes": len(ev), "unseen_seconds": unseen, "programs": names}, ev))
}

func flagTime(v *View) *Flag {
	switch {
	case v.Factor < 1:
		return one(flag(NotOpposable, args{"factor": factor(v.Factor)}, map[string]any{"time_factor": v.Factor}, []uint64{v.StartSeq}))
	case v.Factor > 1:
		return one(flag(ScaledTime, args{"factor": factor(v.Factor)}, map[string]any{"time_factor": v.Factor}, []uint64{v.StartSeq}))
	}
	return nil
}
