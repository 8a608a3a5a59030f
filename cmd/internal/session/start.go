package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/scenarios/documents"
)

// hashes names what the session is made of.
func (s *Session) hashes() (map[string]string, error) {
	out := map[string]string{}
	for name, tree := range map[string]fs.FS{"scenario": s.variant.Scenario.Files, "site": s.variant.Site.Files} {
		h, err := hashTree(tree)
		if err != nil {
			return nil, err
		}
		out[name] = h
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(self)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	out["binary"] = hex.EncodeToString(sum[:])
	out["image"] = s.image
	return out, nil
}

// hashTree is the SHA-256 of a folder's names and contents.
func hashTree(tree fs.FS) (string, error) {
	files := map[string][]byte{}
	if err := addTree(files, "", tree); err != nil {
		return "", err
	}
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		fmt.Fprintf(h, "%s\x00%d\x00", n, len(files[n]))
		h.Write(files[n])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hostFacts says on what machine the session ran.
func hostFacts() map[string]string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return map[string]string{
		"kernel": string(bytes.TrimRight(u.Release[:], "\x00")),
		"cpus":   fmt.Sprint(runtime.NumCPU()),
		"arch":   runtime.GOARCH,
	}
}

// welcome is the situation, shown in the recorded terminal before the candidate's
// first prompt.
func (s *Session) welcome() string {
	scn := s.variant.Scenario
	who := s.candidate()
	t := s.variant.Ticket
	var b strings.Builder
	line := strings.Repeat("─", documents.Narrow)
	fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n", line, scn.Title.In(s.opts.Lang), line)
	b.WriteString(strings.TrimSpace(documents.Text(documents.Typeset(scn.BriefText.In(s.opts.Lang), s.opts.Lang), documents.Narrow)))
	fmt.Fprintf(&b, "\n\n%s\n", line)
	fmt.Fprintf(&b, s.ui.T("Ticket %s, de %s :\n\n", "Ticket %s, from %s:\n\n"), t.ID, s.personName(t.Author))
	for l := range strings.Lines(letter(t.Text.In(s.opts.Lang), documents.Narrow-4)) {
		b.WriteString(strings.TrimRight("  │ "+l, " \n") + "\n")
	}
	b.WriteString("\n" + documents.Text(fmt.Sprintf(apostrophes(s.ui.T(
		"Vous êtes %s %s (compte %s), sur le poste d'administration %s. Temps : %s. Ce qui se fait dans ce terminal et sur les machines est enregistré. « exit » ne termine pas l'épreuve. Tout se fait d'ici :",
		"You are %s %s (account %s), on the administration workstation %s. Time: %s. What is done in this terminal and on the machines is recorded. \"exit\" does not end the session. All is done from here:")),
		who.FirstName, who.LastName, who.Login, s.admin, clockText(s.clock.Left())), documents.Narrow))
	b.WriteString(apostrophes(s.ui.T(`
  situ                 où vous en êtes         situ ticket show   le ticket
  situ doc list        les documents           ssh MACHINE        s'y connecter
  situ console MACHINE quand c'est le réseau qui est en panne
  situ diagnose        sceller le diagnostic   situ notice send   prévenir
  situ finish          terminer                situ help          tout le reste
`, `
  situ                 where you are           situ ticket show   the ticket
  situ doc list        the documents           ssh MACHINE        log in there
  situ console MACHINE when the network is what is broken
  situ diagnose        seal the diagnosis      situ notice send   tell the users
  situ finish          end                     situ help          all the rest
`)))
	fmt.Fprintf(&b, "%s\n\n", line)
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}
