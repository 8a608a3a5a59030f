package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/host"
	"github.com/situlab/situlab/scenarios/documents"
)

// mountDesk gives the desk's socket a small file system of its own, so that no
// path of the host shows in the administration workstation and nothing can be
// filled through it.
func mountDesk(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return host.Errorf("run as root", "create %s: %w", dir, err)
	}
	if err := unix.Mount("situ", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,nr_inodes=16,mode=0755"); err != nil {
		return errors.Join(host.Errorf("run as root", "mount the desk: %w", err), os.Remove(dir))
	}
	return nil
}

func unmountDesk(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount the desk: %w", err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(dir)) // the last session's; others keep it
	return nil
}

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

// welcomeWidth fits the narrowest terminal that people use.
const welcomeWidth = 78

// welcome is the situation, shown in the recorded terminal before the candidate's
// first prompt.
func (s *Session) welcome() string {
	scn := s.variant.Scenario
	who := s.candidate()
	t := s.variant.Ticket
	var b strings.Builder
	line := strings.Repeat("─", welcomeWidth)
	fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n", line, scn.Title.In(s.opts.Lang), line)
	b.WriteString(strings.TrimSpace(documents.Text(scn.BriefText.In(s.opts.Lang), welcomeWidth)))
	fmt.Fprintf(&b, "\n\n%s\n", line)
	fmt.Fprintf(&b, s.ui.T("Ticket %s, de %s :\n\n", "Ticket %s, from %s:\n\n"), t.ID, s.personName(t.Author))
	for _, l := range strings.Split(strings.TrimSpace(documents.Text(t.Text.In(s.opts.Lang), welcomeWidth-4)), "\n") {
		b.WriteString(strings.TrimRight("  │ "+l, " ") + "\n")
	}
	fmt.Fprintf(&b, s.ui.T(
		"\nVous êtes %s %s (compte %s), sur le poste d'administration %s.\nTemps : %s. Tout se fait d'ici :\n  situ              où vous en êtes        situ ticket show   le ticket\n  situ doc list     les documents          ssh NŒUD           un nœud du périmètre\n  situ console NŒUD quand le réseau est ce qui est cassé\n  situ diagnose     sceller le diagnostic  situ notice send   prévenir les utilisateurs\n  situ finish       terminer               situ help          tout le reste\n",
		"\nYou are %s %s (account %s), on the administration workstation %s.\nTime: %s. All is done from here:\n  situ              where you are          situ ticket show   the ticket\n  situ doc list     the documents          ssh NODE           a node of the perimeter\n  situ console NODE when the network is what is broken\n  situ diagnose     seal the diagnosis     situ notice send   tell the users\n  situ finish       end                    situ help          all the rest\n"),
		who.FirstName, who.LastName, who.Login, s.admin, clockText(s.clock.Left()))
	fmt.Fprintf(&b, "%s\n\n", line)
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}
