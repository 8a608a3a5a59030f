package jury

import (
	"math"

	"github.com/situlab/situlab/grader/criteria"
)

// Why a kappa does not exist.
const (
	NoCommonPoint = "no_common_point" // nothing was decided by both
	NoVariation   = "no_variation"    // both gave everything the same outcome: agreement by chance is certain
)

// Estimate is Cohen's kappa of a table, with its interval.
type Estimate struct {
	// N is how many things both have judged; Observed how often they agree,
	// Expected how often they would by chance (shares).
	N        int     `json:"n"`
	Observed float64 `json:"observed"`
	Expected float64 `json:"expected"`
	// Kappa, its standard error and its 95 % interval; nil where Undefined says
	// why. Low and High alone are nil when the standard error is 0: the counts
	// have nothing to estimate a width from, and [x, x] would look like certainty.
	Kappa         *float64 `json:"kappa"`
	StandardError *float64 `json:"standard_error"`
	Low           *float64 `json:"low"`
	High          *float64 `json:"high"`
	Undefined     string   `json:"undefined,omitempty"`
}

// z95 is the 97.5th percentile of the standard normal distribution.
const z95 = 1.959963984540054

// Kappa computes Cohen's kappa (Cohen 1960, Educational and Psychological
// Measurement 20, 37-46) of a square table of counts: row by the first, column by
// the second judge. The interval is kappa ± 1.96 standard errors with the
// large-sample standard error of Fleiss, Cohen & Everitt 1969 (Psychological
// Bulletin 72, 323-327), which does not assume that kappa is 0, cut to
// [-1, 1]. It is meant for large samples of independent judgements.
func Kappa(table [][]int) Estimate {
	var e Estimate
	k := len(table)
	rows, cols := make([]float64, k), make([]float64, k)
	for i, row := range table {
		for j, n := range row {
			e.N += n
			rows[i] += float64(n)
			cols[j] += float64(n)
		}
	}
	if e.N == 0 {
		e.Undefined = NoCommonPoint
		return e
	}
	n := float64(e.N)
	for i := range table {
		rows[i], cols[i] = rows[i]/n, cols[i]/n
		e.Observed += float64(table[i][i]) / n
		e.Expected += rows[i] * cols[i]
	}
	if 1-e.Expected < 1e-12 {
		e.Undefined = NoVariation
		return e
	}
	kappa := (e.Observed - e.Expected) / (1 - e.Expected)
	var diagonal, rest float64
	for i := range table {
		for j, count := range table[i] {
			p := float64(count) / n
			if i == j {
				d := 1 - (rows[i]+cols[i])*(1-kappa)
				diagonal += p * d * d
			} else {
				s := cols[i] + rows[j]
				rest += p * s * s
			}
		}
	}
	last := kappa - e.Expected*(1-kappa)
	variance := (diagonal + (1-kappa)*(1-kappa)*rest - last*last) / ((1 - e.Expected) * (1 - e.Expected) * n)
	se := math.Sqrt(max(variance, 0)) // rounding may leave it a hair below 0
	if se < 1e-9 {
		se = 0
	}
	e.Kappa, e.StandardError = &kappa, &se
	if se > 0 {
		low, high := max(kappa-z95*se, -1), min(kappa+z95*se, 1)
		e.Low, e.High = &low, &high
	}
	return e
}

// Agreement is how far two assessors agree on sub-points. It is computed from
// what they have decided, never known in advance.
type Agreement struct {
	A string `json:"a"`
	B string `json:"b"`
	Estimate
	// Counts of points by A's outcome and then B's.
	Both    int `json:"acquis_acquis"`
	OnlyA   int `json:"acquis_non_acquis"`
	OnlyB   int `json:"non_acquis_acquis"`
	Neither int `json:"non_acquis_non_acquis"`
	// Disagreements are the points with two outcomes; Alone are those that one of
	// the two has not decided, which count for nothing.
	Disagreements []Disagreement `json:"disagreements"`
	Alone         []string       `json:"decided_by_one"`
}

// Disagreement is a point with two outcomes.
type Disagreement struct {
	Point string   `json:"point"`
	A     Decision `json:"a"`
	B     Decision `json:"b"`
}

// Agree compares two sheets.
func Agree(a, b *Sheet) Agreement {
	out := Agreement{A: a.Assessor, B: b.Assessor, Disagreements: []Disagreement{}, Alone: []string{}}
	for _, c := range criteria.Capacities() {
		for _, p := range c.Points() {
			x, okA := a.Now(p.ID)
			y, okB := b.Now(p.ID)
			switch {
			case !okA && !okB:
				continue
			case okA != okB:
				out.Alone = append(out.Alone, p.ID)
				continue
			case x.Outcome == Acquired && y.Outcome == Acquired:
				out.Both++
			case x.Outcome == Acquired:
				out.OnlyA++
			case y.Outcome == Acquired:
				out.OnlyB++
			default:
				out.Neither++
			}
			if x.Outcome != y.Outcome {
				out.Disagreements = append(out.Disagreements, Disagreement{p.ID, x, y})
			}
		}
	}
	out.Estimate = Kappa([][]int{{out.Both, out.OnlyA}, {out.OnlyB, out.Neither}})
	return out
}
