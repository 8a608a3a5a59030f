package scenarios

import "testing"

func TestLostDev(t *testing.T) {
	s, err := LoadScenario("lost-connectivity")
	if err != nil {
		t.Fatal(err)
	}
	site, err := LoadSiteOf(s)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(6) {
		v, err := Draw(s, site, seed, []string{"passive", "key", "network", "filter", "healthy", ""}[seed])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s %v\n%s\n%+v\n", v.ID, v.Picks, v.Ticket.Text.FR, v.Faults)
		if v.Spec != nil {
			t.Log(v.Spec.Solution.FR, v.Spec.Symptoms)
		}
	}
}
