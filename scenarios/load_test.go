package scenarios

import (
	"testing"
)

func TestSmall(t *testing.T) {
	s, err := LoadSite("./testdata/site-small")
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint64{0, 7} {
		x, err := Expand(s, seed)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := Tree(x, "rt-brv1")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range tr {
			t.Logf("%s %v %s:%s %v\n%s", f.Path, f.Mode, f.User, f.Group, f.Age, f.Content)
		}
		t.Logf("%+v", x.People)
		t.Logf("%+v", x.Segments)
	}
}
