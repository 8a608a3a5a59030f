package documents

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// concerned are the roles that a note speaks of; the base is in every role.
var concerned = map[string][]string{
	"notice-annuaire": {"ann", "fic", "adm"}, "notice-base": {"bdd"}, "notice-dhcp": {"dhcp", "rt", "pc"}, "notice-dns": {"dns"},
	"notice-fichiers": {"fic", "adm"}, "notice-frr": {"rt"}, "notice-heure": {}, "notice-messagerie": {"mail"}, "notice-nftables": {"rt"},
	"notice-reseau": {"pc"}, "notice-sauvegarde": {"sauv"}, "notice-supervision": {"sup"}, "notice-systeme": {}, "notice-vulcain": {"erp"},
	"notice-web": {"web"},
}

// noProgram are the first words of code in the notes that are no program: words
// of a configuration, of an interactive program, of an output; and situ, which
// the session puts on the administration workstation.
var noProgram = strings.Fields(`bounced deferred ecoute error.log forward handle input journal base meta mask unmask mynetworks
	net.ipv4.ip_forward network no node-exporter blackbox-exporter output password pg_hba.conf pg_wal postrouting prerouting
	probe_success redistribute reload restart select sent show sites-enabled situ societe too write`)

// needBus are programs that a machine has and that do not answer where no
// message bus runs: on a workstation.
var needBus = strings.Fields("networkctl hostnamectl loginctl timedatectl localectl busctl resolvectl")

var firstWord = regexp.MustCompile(`^(?:sudo -u \S+ )?([a-z][a-z0-9._-]*)(?:\s|$)`)

// programsOf lists what a note tells to type.
func programsOf(md string) []string {
	var pieces []string
	for i, fenced := range strings.Split(md, "```") {
		if i%2 == 0 {
			for _, c := range codeSpan.FindAllString(fenced, -1) {
				pieces = append(pieces, strings.Trim(c, "`"))
			}
			continue
		}
		for line := range strings.Lines(fenced) {
			if pieces = append(pieces, strings.TrimSpace(line)); strings.TrimSpace(line) == "vtysh" {
				break // what follows is typed inside it
			}
		}
	}
	var words []string
	for _, p := range pieces {
		for _, part := range regexp.MustCompile(`\s(?:\||&&)\s`).Split(p, -1) {
			if m := firstWord.FindStringSubmatch(strings.TrimSpace(part)); m != nil && !slices.Contains(noProgram, m[1]) {
				words = append(words, m[1])
			}
		}
	}
	return words
}

// TestNotesNameWhatIsThere: every program of a note is in the image of the role
// concerned. testdata/programs.txt says what an image has (go test -update
// rewrites it from the store); where there is a store, the list must be true of it.
func TestNotesNameWhatIsThere(t *testing.T) {
	named := map[string][]string{}
	for _, d := range List("fr") {
		if !strings.HasPrefix(d.ID, "notice-") {
			continue
		}
		if _, known := concerned[d.ID]; !known {
			t.Errorf("%s: which role does it concern?", d.ID)
		}
		for _, lang := range []string{"fr", "en"} {
			named[d.ID] = append(named[d.ID], programsOf(rendered(t, fixture(), d.ID, lang))...)
		}
	}
	const list = "testdata/programs.txt"
	store := storedPrograms(t)
	if *update && store != nil {
		has := map[string]bool{}
		for _, words := range named {
			for _, w := range words {
				for role, programs := range store {
					if programs[w] {
						has[role+" "+w] = true
					}
				}
			}
		}
		if err := os.WriteFile(list, []byte(strings.Join(slices.Sorted(maps.Keys(has)), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		has[line] = true
		if role, program, _ := strings.Cut(line, " "); store != nil && !store[role][program] {
			t.Errorf("%s: %s is not in the image of the store", list, line)
		}
	}
	for note, words := range named {
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			if !slices.ContainsFunc(append([]string{"base"}, concerned[note]...), func(role string) bool { return has[role+" "+w] }) {
				t.Errorf("%s: %q is in no image of %v (if it is no program, say so in noProgram)", note, w, concerned[note])
			}
			if slices.Contains(concerned[note], "pc") && slices.Contains(needBus, w) {
				t.Errorf("%s: %q does not work on a workstation", note, w)
			}
		}
	}
}

// storedPrograms are the programs of the image of the store by role ("base"),
// nil where there is no image.
func storedPrograms(t *testing.T) map[string]map[string]bool {
	t.Helper()
	home := os.Getenv("SITULAB_HOME")
	if home == "" {
		home = "/var/lib/situlab"
	}
	id, err := os.ReadFile(filepath.Join(home, "images/default"))
	if err != nil {
		t.Logf("no image to compare with: %v", err)
		return nil
	}
	raw, err := os.ReadFile(filepath.Join(home, "images/images", strings.TrimSpace(string(id))+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var image struct{ Layers []struct{ ID, Role string } }
	if err := json.Unmarshal(raw, &image); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for _, l := range image.Layers {
		role := l.Role
		if role == "" {
			role = "base"
		}
		all[role] = map[string]bool{}
		for _, dir := range []string{"bin", "sbin", "usr/bin", "usr/sbin"} {
			files, err := os.ReadDir(filepath.Join(home, "images/layers", l.ID, "tree", dir))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			for _, f := range files {
				all[role][f.Name()] = true
			}
		}
	}
	if len(all["base"]) < 100 {
		t.Fatalf("an image with %d programs in its base", len(all["base"]))
	}
	return all
}
