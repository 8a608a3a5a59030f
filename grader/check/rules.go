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

// Point judges one point of the référentiel.
func Point(v *View, id string) Finding {
	switch {
	case !v.Declared(id):
		return finding(id, NotDeclared, nil, nil, nil)
	case v.Invalid != nil:
		return finding(id, EnvironmentInvalid, args{"detail": invalidText(v.Invalid.Reason)},
			map[string]any{"environment": v.Invalid.Reason}, []uint64{v.InvalidSeq})
	case v.Facts.Truth.NoFault && contains(onlyWithFault, id):
		return finding(id, NoFaultHere, nil, nil, nil)
	}
	if r, ok := rules[id]; ok {
		return r(v)
	}
	return finding(id, NotImplemented, nil, nil, nil)
}

func invalidText(reason string) evidence.Text {
	switch reason {
	case "fault_not_admitted":
		return tx("la panne n’a pas pris", "the fault did not take")
	case "fault_vanished":
		return tx("la panne a disparu d’elle-même", "the fault vanished by itself")
	case "host_starved":
		return tx("la machine hôte a manqué de ressources", "the host ran short of resources")
	case "lab_failed":
		return tx("le laboratoire a failli", "the lab failed")
	}
	return tx(reason, reason)
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
		flagUnattributed, flagHints, flagHost, flagRecorderOff, flagLoss, flagInterrupted, flagTime,
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

func flagOutside(v *View) *Flag {
	c := v.outside()
	if len(c) == 0 {
		return nil
	}
	return one(flag(ChangesOutsideElement, args{"changes": len(c), "nodes": nodesOf(c)},
		map[string]any{"changes": len(c), "nodes": nodesOf(c)}, evidenceOf(c)))
}

func flagDataLost(v *View) *Flag {
	_, lost, _ := v.canaries()
	if len(lost.names) == 0 {
		return nil
	}
	return one(flag(CanaryDataLost, args{"names": lost.names}, map[string]any{"lost": len(lost.names), "names": lost.names}, lost.ev))
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
			return one(flag(UnsupportedDeclaration, args{"probes": probeLabels(red), "n": len(red)},
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
	for _, c := range v.Changes {
		if c.Node == v.truthNode() && c.BootNS < a[0].bootNS {
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

func flagHost(v *View) *Flag {
	total := 0.0
	for _, i := range v.starve {
		total += float64(i.to-i.from) / 1e9
	}
	if total < hostFlagSeconds {
		return nil
	}
	var ev []uint64
	for _, r := range v.byType[evidence.TypeRecorderHealth] {
		if h, _ := evidence.As[evidence.HostHealth](r); h.OutOfBand {
			ev = append(ev, r.Seq)
		}
	}
	return one(flag(HostOutOfBand, args{"span": seconds(total)}, map[string]any{"seconds": total}, ev))
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
	return one(flag(RecorderOffFlag, args{"names": names}, map[string]any{"recorders": names}, ev))
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
	return one(flag(RecorderLossFlag, args{"names": names}, m, ev))
}

func flagInterrupted(v *View) *Flag {
	r := v.first(evidence.TypeSessionFinish)
	if r != nil {
		if f, _ := evidence.As[evidence.SessionFinish](r); f.Reason != evidence.FinishInterrupted {
			return nil
		}
	}
	return one(flag(InterruptedSession, nil, nil, []uint64{v.FinishSeq}))
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
