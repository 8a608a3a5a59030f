package scenarios

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	pointPattern = regexp.MustCompile(`^[1-6]\.[1-9][a-z]?(?:-[ivx]+)?$`)
	capacities   = []string{"2", "3", "4"}
	yesNo        = []string{"yes", "no"}
)

// maxCombinations bounds how many drawings of the picks are tried by the check.
const maxCombinations = 64

// scenarioChecker checks what the types cannot say, against the site.
type scenarioChecker struct {
	*decoder
	scn  *Scenario
	site *Site // expanded as written; nil when the site itself is wrong
}

func checkScenario(d *decoder, scn *Scenario, site *Site) {
	c := &scenarioChecker{decoder: d, scn: scn}
	if site != nil {
		// LoadSite has expanded it once already without a mistake.
		c.site, _ = Expand(site, 0)
	}
	c.head()
	c.variants()
	c.people()
	c.times()
	if c.site != nil {
		c.combinations()
		c.trees()
	}
}

// trees checks what the scenario lays over the trees of the site: every folder
// is a node's or a role's, and its files can be made.
func (c *scenarioChecker) trees() {
	if c.scn.Files == nil || c.site.Files == nil {
		return
	}
	laid := *c.site
	laid.over = folder{c.scn.Files, c.scn.folder}
	for _, dir := range []string{"roles", "nodes"} {
		entries, err := fs.ReadDir(c.scn.Files, dir)
		if err != nil {
			continue // no such folder
		}
		for _, e := range entries {
			var names, known []string
			for _, n := range c.site.Nodes {
				is := n.Name
				if dir == "roles" {
					is = n.Role
				}
				if known = append(known, is); is == e.Name() {
					names = append(names, n.Name)
				}
			}
			if len(names) == 0 {
				c.errs = append(c.errs, inputErrorf(c.scn.file(dir+"/"+e.Name()), "no %s %q in the site%s",
					strings.TrimSuffix(dir, "s"), e.Name(), Suggest(e.Name(), slices.Compact(slices.Sorted(slices.Values(known))))))
			}
			for _, n := range names {
				if _, err := Tree(&laid, n); err != nil {
					c.errs = append(c.errs, asList(err)...)
				}
			}
		}
	}
}

func (c *scenarioChecker) words(path string, got, of []string) {
	for i, v := range got {
		c.oneOf(fmt.Sprintf("%s[%d]", path, i), v, of)
	}
}

func (c *scenarioChecker) oneOf(path, v string, of []string) {
	if v != "" && !slices.Contains(of, v) {
		c.failAt(path, "%s: %q is not one of %s%s", path, v, strings.Join(of, ", "), nearName(v, of))
	}
}

func (c *scenarioChecker) idAt(path, id string) {
	if id != "" && (!idPattern.MatchString(id) || len(id) > 40) {
		c.failAt(path, "%s: %q must be small letters, digits and single dashes, at most 40", path, id)
	}
}

func (c *scenarioChecker) head() {
	s := c.scn
	c.idAt("id", s.ID)
	c.words("capacity", s.Capacity, capacities)
	if s.Difficulty != 0 && (s.Difficulty < 1 || s.Difficulty > 4) {
		c.failAt("difficulty", "difficulty: %d; 1 to 4", s.Difficulty)
	}
	if s.Minutes != 0 && (s.Minutes < 5 || s.Minutes > 480) {
		c.failAt("minutes", "minutes: %d; 5 to 480", s.Minutes)
	}
	for path, points := range map[string][]string{"points": s.Points, "healthyPoints": s.HealthyPoints} {
		for i, p := range points {
			at := fmt.Sprintf("%s[%d]", path, i)
			if p != "" && !pointPattern.MatchString(p) {
				c.failAt(at, "%s: %q is no sub-point; write it as in 3.1-ii or 3.2a", at, p)
			}
			if slices.Contains(points[:i], p) {
				c.failAt(at, "%s: %q is listed twice", at, p)
			}
		}
	}
	if s.Ticket.Ago < 0 {
		c.failAt("ticket.ago", "ticket.ago: the ticket was written before the session; write it without a minus")
	}
	if s.Control != "" && c.site != nil && !slices.ContainsFunc(c.site.Probes, func(p Probe) bool { return p.ID == s.Control }) {
		var ids []string
		for _, p := range c.site.Probes {
			ids = append(ids, p.ID)
		}
		c.failAt("control", "control: no probe %q in site %s%s", s.Control, c.site.ID, Suggest(s.Control, ids))
	}
}

func (c *scenarioChecker) picks(path string, picks, outer []Pick) {
	for i, p := range picks {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.idAt(at+".name", p.Name)
		if strings.ContainsAny(p.Name, "-") {
			c.failAt(at+".name", "%s.name: %q; a template cannot name a dash, use one word", at, p.Name)
		}
		if len(p.From) == 0 {
			c.failAt(at+".from", "%s.from: nothing to draw from; list at least one value", at)
		}
		same := func(q Pick) bool { return q.Name == p.Name }
		if slices.ContainsFunc(picks[:i], same) || slices.ContainsFunc(outer, same) {
			c.failAt(at+".name", "%s.name: there are two picks called %q", at, p.Name)
		}
	}
}

func (c *scenarioChecker) variants() {
	c.picks("picks", c.scn.Picks, nil)
	if len(c.scn.Variants) == 0 {
		if _, written := c.places["variants"]; written {
			c.failAt("variants", "variants: a scenario has at least one")
		}
	}
	for i, v := range c.scn.Variants {
		p := fmt.Sprintf("variants[%d]", i)
		c.idAt(p+".id", v.ID)
		if !strings.Contains(v.Cause, "{{") {
			c.idAt(p+".cause", v.Cause)
		}
		if v.ID == Healthy {
			c.failAt(p+".id", "%s.id: %q is the name of the healthy twin", p, Healthy)
		}
		if slices.ContainsFunc(c.scn.Variants[:i], func(w VariantSpec) bool { return w.ID == v.ID }) && v.ID != "" {
			c.failAt(p+".id", "%s.id: there are two variants called %q", p, v.ID)
		}
		if len(v.Faults) == 0 {
			c.failAt(p+".faults", "%s.faults: a variant breaks something", p)
		}
		for name, list := range map[string][]string{"hit": v.Hit, "red": v.Red, "groups": v.Groups} {
			if _, written := c.places[p+"."+name]; written && len(list) == 0 {
				c.failAt(p+"."+name, "%s.%s: must not be empty", p, name)
			}
		}
		c.picks(p+".picks", v.Picks, c.scn.Picks)
		c.faults(p+".faults", v.Faults, true)
	}
	c.faults("decoys", c.scn.Decoys, false)
}

func (c *scenarioChecker) faults(path string, faults []Fault, mayInherit bool) {
	for i, f := range faults {
		p := fmt.Sprintf("%s[%d]", path, i)
		c.idAt(p+".kind", f.Kind)
		if f.Ago < 0 {
			c.failAt(p+".ago", "%s.ago: an artefact is older than the session; write it without a minus", p)
		}
		if f.Ago == 0 && !mayInherit {
			c.failAt(p, "%s: ago is missing; write for instance ago: 12h", p)
		}
	}
}

func (c *scenarioChecker) people() {
	var ids []string
	for _, v := range c.scn.Variants {
		ids = append(ids, v.ID)
	}
	ids = append(ids, Healthy)
	desk := []string{"technician", "manager", "user"}
	if c.site != nil {
		for _, x := range c.site.Contacts {
			if !slices.Contains(desk, x.ID) {
				desk = append(desk, x.ID)
			}
		}
	}
	for i, a := range c.scn.Dialogue {
		p := fmt.Sprintf("dialogue[%d]", i)
		if who, ok := strings.CutPrefix(a.Who, "user:"); ok {
			if !strings.Contains(who, "{{") {
				c.person(p+".who", who)
			}
		} else if c.site != nil {
			c.oneOf(p+".who", a.Who, desk)
		}
		for j, w := range a.Words {
			if at := fmt.Sprintf("%s.words[%d]", p, j); w != foldWord(w) {
				c.failAt(at, "%s: %q; write the beginning of a word in small letters without accents: %q", at, w, foldWord(w))
			} else if slices.Contains(a.Words[:j], w) {
				c.failAt(at, "%s: %q is listed twice", at, w)
			}
		}
		c.words(p+".variants", a.Variants, ids)
		c.oneOf(p+".red", a.Red, yesNo)
		if a.After < 0 {
			c.failAt(p+".after", "%s.after: cannot be negative", p)
		}
	}
	if n := len(c.scn.Hints); n > 5 {
		c.failAt("hints", "hints: %d levels; at most 5", n)
	}
	for _, list := range []struct {
		path    string
		entries []Entry
	}{{"logbook", c.scn.Logbook}, {"healthy.logbook", c.scn.Healthy.Logbook}} {
		for i, e := range list.entries {
			p := fmt.Sprintf("%s[%d]", list.path, i)
			if e.Ago < 0 {
				c.failAt(p+".ago", "%s.ago: a line of the logbook lies in the past; write it without a minus", p)
			}
			if c.site == nil {
				continue
			}
			c.person(p+".author", e.Author)
			if e.Node != "" {
				if _, err := c.site.node(e.Node); err != nil {
					c.failAt(p+".node", "%s.node: %v", p, err)
				}
			}
		}
	}
}

func (c *scenarioChecker) times() {
	t := c.scn.Thresholds
	for _, f := range []struct {
		path string
		bad  bool
	}{
		{"thresholds.stableGreen", t.StableGreen <= 0},
		{"thresholds.stableSamples", t.StableSamples <= 0},
		{"thresholds.firstNotice", t.FirstNotice <= 0},
	} {
		if _, written := c.places[f.path]; written && f.bad {
			c.failAt(f.path, "%s: must be more than 0", f.path)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.scn.BootDelay)) {
		p := "bootDelay." + string(k)
		c.oneOf(p, string(k), classes)
		if d := c.scn.BootDelay[k]; d < 0 || d > Duration(time.Hour) {
			c.failAt(p, "%s: %v; 0s to 1h", p, d)
		}
	}
}

// foldWord writes a word as questions are compared: small letters, no accents.
func foldWord(s string) string { return strings.ToLower(ascii(s)) }

// person checks that somebody of the site is named.
func (c *scenarioChecker) person(path, id string) {
	if id == "" || c.site == nil || c.site.PersonByID(id) != nil {
		return
	}
	var ids []string
	for _, p := range c.site.People {
		ids = append(ids, p.ID)
	}
	c.failAt(path, "%s: no person %q in site %s%s", path, id, c.site.ID, Suggest(id, ids))
}

// combinations fills the templates with every drawing of the picks and checks
// that what comes out exists.
func (c *scenarioChecker) combinations() {
	for i := range c.scn.Variants {
		spec := &c.scn.Variants[i]
		for _, picks := range drawings(append(slices.Clone(c.scn.Picks), spec.Picks...)) {
			v, errs := fill(c.scn, c.site, i, picks)
			for _, e := range errs {
				c.failAt(e.path, "%s: %v", e.path, e.err)
			}
			if len(errs) == 0 {
				c.filled(fmt.Sprintf("variants[%d]", i), v)
			}
		}
	}
	for _, picks := range drawings(c.scn.Picks) {
		v, errs := fill(c.scn, c.site, -1, picks)
		for _, e := range errs {
			c.failAt(e.path, "%s: %v", e.path, e.err)
		}
		if len(errs) == 0 {
			c.filled("", v)
		}
	}
}

// filled checks the references of one drawing.
func (c *scenarioChecker) filled(p string, v *Variant) {
	c.person("ticket.author", v.Ticket.Author)
	node := func(path, name string) bool {
		if name == "" {
			return false
		}
		_, err := c.site.node(name)
		if err != nil {
			c.failAt(path, "%s: %v", path, err)
		}
		return err == nil
	}
	decoys := true
	for i, f := range v.Scenario.Decoys {
		decoys = node(fmt.Sprintf("decoys[%d].node", i), f.Node) && decoys
	}
	if v.Spec == nil {
		return
	}
	node(p+".element", v.Spec.Element)
	c.idAt(p+".cause", v.Spec.Cause)
	for i, id := range v.Spec.AlsoCauses {
		at := fmt.Sprintf("%s.alsoCauses[%d]", p, i)
		c.idAt(at, id)
		if id == v.Spec.Cause {
			c.failAt(at, "%s: %q is the cause itself", at, id)
		}
	}
	for i, f := range v.Spec.Faults {
		// An age may come from a decoy on the same node: a wrong name there or
		// here is one mistake, not two.
		if node(fmt.Sprintf("%s.faults[%d].node", p, i), f.Node) && f.Ago == 0 && decoys {
			at := fmt.Sprintf("%s.faults[%d]", p, i)
			c.failAt(at, "%s: ago is missing (no decoy touches the same file of %s); write for instance ago: 12h", at, f.Node)
		}
	}
	for i, s := range v.Spec.Hit {
		if _, err := c.site.segment(s); err != nil {
			at := fmt.Sprintf("%s.hit[%d]", p, i)
			c.failAt(at, "%s: %v", at, err)
		}
	}
	for i, s := range v.Spec.Red {
		if _, err := find(c.site.Probes, "probe", s, func(p *Probe) string { return p.ID }); err != nil {
			at := fmt.Sprintf("%s.red[%d]", p, i)
			c.failAt(at, "%s: %v", at, err)
		}
		if s == c.scn.Control {
			at := fmt.Sprintf("%s.red[%d]", p, i)
			c.failAt(at, "%s: %q is the control probe, which no variant may touch", at, s)
		}
	}
	for i, s := range v.Spec.Groups {
		if _, err := find(c.site.Groups, "group", s, func(g *Group) string { return g.ID }); err != nil {
			at := fmt.Sprintf("%s.groups[%d]", p, i)
			c.failAt(at, "%s: %v", at, err)
		}
	}
	for _, t := range []struct {
		path string
		text Text
	}{{"title", v.Scenario.Title}, {"ticket.title", v.Ticket.Title}, {"ticket.text", v.Ticket.Text}} {
		if e := v.Spec.Element; e != "" && strings.Contains(t.text.FR+" "+t.text.EN, e) {
			c.failAt(t.path, "%s: it names the broken element %q; tell what the users see", t.path, e)
		}
	}
}

// drawings lists the combinations of picks, bounded.
func drawings(picks []Pick) []map[string]string {
	out := []map[string]string{{}}
	for _, p := range picks {
		var next []map[string]string
		for _, m := range out {
			for _, v := range p.From {
				if len(next) >= maxCombinations {
					break
				}
				n := maps.Clone(m)
				n[p.Name] = v
				next = append(next, n)
			}
		}
		if len(next) > 0 {
			out = next
		}
	}
	return out
}
