package jury

import (
	"math"
	"testing"
)

// TestKappaPublished: worked examples that others have published.
func TestKappaPublished(t *testing.T) {
	for _, c := range []struct {
		name                 string
		table                [][]int
		kappa, se, low, high float64
		within               float64
	}{
		// SAS/STAT documentation of PROC FREQ, "Simple Kappa Coefficient", as
		// quoted by the tests of statsmodels (test_inter_rater.py, table10).
		{"SAS", [][]int{{0, 4, 1}, {0, 8, 0}, {0, 1, 5}}, 0.4842, 0.1380, 0.2137, 0.7547, 5e-5},
		// Fleiss, Levin & Paik 2003, Statistical Methods for Rates and
		// Proportions, chapter 18, the example of 100 patients: kappa 0.68, standard error 0.087.
		{"Fleiss", [][]int{{75, 1, 4}, {5, 4, 1}, {0, 0, 10}}, 0.68, 0.087, 0.51, 0.85, 6e-3},
	} {
		e := Kappa(c.table)
		if e.Undefined != "" {
			t.Fatal(c.name, e.Undefined)
		}
		for _, x := range [][2]float64{{*e.Kappa, c.kappa}, {*e.StandardError, c.se}, {*e.Low, c.low}, {*e.High, c.high}} {
			if math.Abs(x[0]-x[1]) > c.within {
				t.Errorf("%s: %.5f, published %.5f", c.name, x[0], x[1])
			}
		}
	}
}

func TestKappaLimits(t *testing.T) {
	if e := Kappa([][]int{{0, 0}, {0, 0}}); e.Undefined != NoCommonPoint || e.Kappa != nil || e.N != 0 {
		t.Errorf("%+v", e)
	}
	if e := Kappa([][]int{{9, 0}, {0, 0}}); e.Undefined != NoVariation || e.Kappa != nil || e.Observed != 1 {
		t.Errorf("%+v", e)
	}
	if e := Kappa([][]int{{5, 0}, {0, 3}}); *e.Kappa != 1 || *e.StandardError != 0 || e.Low != nil || e.High != nil {
		t.Errorf("%+v", e)
	}
	// One judge says acquis to all: no more than chance, and no certainty of it.
	if e := Kappa([][]int{{5, 3}, {0, 0}}); *e.Kappa != 0 || e.Low != nil {
		t.Errorf("%+v", e)
	}
	if e := Kappa([][]int{{2, 1}, {0, 1}}); *e.Kappa <= 0 || *e.Low < -1 || *e.High != 1 {
		t.Errorf("%+v", e)
	}
	if e := Kappa([][]int{{0, 4}, {4, 0}}); *e.Kappa != -1 || e.Low != nil {
		t.Errorf("%+v", e)
	}
}
