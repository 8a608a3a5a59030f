package scenarios

import "testing"

func TestAvelineDev(t *testing.T) {
	s, err := LoadSite("aveline")
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint64{0, 7} {
		x, err := Expand(s, seed)
		if err != nil {
			t.Fatal(err)
		}
		n, b := 0, 0
		for _, nd := range x.Nodes {
			tr, err := Tree(x, nd.Name)
			if err != nil {
				t.Errorf("%s: %v", nd.Name, err)
			}
			n += len(tr)
			for _, f := range tr {
				b += len(f.Content)
			}
		}
		t.Log(n, b)
	}
}
