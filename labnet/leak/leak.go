package leak

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/labnet/node"
)

// Subject is one node to look at.
type Subject struct {
	Node node.Node
	Role string
}

// Times are the moments by which times are classed.
type Times struct {
	Begin   time.Time // of the session: ages count back from it
	Morning time.Time // when the morning's start began
}

// look prints what a curious root finds: every file whose inode changed since
// the session began, what is in those of /etc, processes, journal.
const look = `
begin=$1
echo '== file'
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \) -prune -o -newerct "@$begin" -printf '%y %m %U:%G %T@ %C@ %p\n'
echo '== text'
find /etc -xdev -type f -newerct "@$begin" -exec sha256sum {} +
echo '== process'
ps -e -o ppid=,etimes=,args= --no-headers
echo '== boots'
journalctl --no-pager --list-boots -q | wc -l
echo '== journal'
journalctl --no-pager -q -o short-iso-precise | cut -d' ' -f3-
`

// Picture looks into all nodes.
func Picture(ctx context.Context, subjects []Subject, t Times) ([]string, error) {
	items := map[string]bool{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.NumCPU()))
	for _, s := range subjects {
		g.Go(func() error {
			var out, errs bytes.Buffer
			code, err := s.Node.Exec(ctx, node.Command{
				Args:   []string{"/bin/sh", "-c", look, "look", strconv.FormatInt(t.Begin.Unix(), 10)},
				Stdout: &out, Stderr: &errs,
			})
			if err == nil && code != 0 {
				err = fmt.Errorf("exit code %d: %s", code, strings.TrimSpace(errs.String()))
			}
			if err != nil {
				return fmt.Errorf("look into %s: %w", s.Node.Name(), err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, i := range read(out.String(), s.Node.Name(), s.Role, t, time.Now()) {
				items[i] = true
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	list := make([]string, 0, len(items))
	for i := range items {
		list = append(list, i)
	}
	sort.Strings(list)
	return list, nil
}

// read turns what one node said into items.
func read(out, name, role string, t Times, now time.Time) []string {
	var items []string
	section := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if s, ok := strings.CutPrefix(line, "== "); ok {
			section = s
			continue
		}
		switch section {
		case "file":
			if i, ok := fileItem(line, name, t); ok {
				items = append(items, i)
			}
		case "text":
			if sum, path, ok := strings.Cut(line, "  "); ok {
				items = append(items, fmt.Sprintf("text %s %s %.12s", name, path, sum))
			}
		case "process":
			f := strings.Fields(line)
			if len(f) < 3 || f[0] == "0" && f[2] != "/sbin/init" {
				continue // our own look came from outside
			}
			age, err := strconv.Atoi(f[1])
			if err != nil || strings.HasPrefix(strings.Join(f[2:], " "), "ps -e") {
				continue
			}
			started := now.Add(-time.Duration(age) * time.Second)
			items = append(items, fmt.Sprintf("process %s start=%s %s", role, class(started, t, time.Minute), normal(strings.Join(f[2:], " "))))
		case "boots":
			if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n > 1 {
				items = append(items, "journal before "+role)
			}
		case "journal":
			program, message, _ := strings.Cut(line, ": ")
			program, _, _ = strings.Cut(program, "[")
			if race.MatchString(message) {
				continue
			}
			items = append(items, fmt.Sprintf("journal %s %s %s", role, program, normal(message)))
		}
	}
	return items
}

// fileItem reads "TYPE MODE UID:GID MTIME CTIME PATH".
func fileItem(line, name string, t Times) (string, bool) {
	f := strings.SplitN(line, " ", 6)
	if len(f) != 6 {
		return "", false
	}
	m, err1 := strconv.ParseFloat(f[3], 64)
	c, err2 := strconv.ParseFloat(f[4], 64)
	if err1 != nil || err2 != nil {
		return "", false
	}
	return fmt.Sprintf("file %s %s %s %s %s mtime=%s ctime=%s", name, normal(f[5]), f[0], f[1], f[2],
		class(unix(m), t, 0), class(unix(c), t, 0)), true
}

func unix(s float64) time.Time { return time.Unix(0, int64(s*1e9)) }

// class puts a time into words that do not differ from lab to lab; slack is how
// coarse the time is.
func class(at time.Time, t Times, slack time.Duration) string {
	switch {
	case at.Before(t.Begin.Add(-time.Minute)):
		// What the site dates counts back from Begin in whole seconds; any other
		// time is the image's and the same for all labs.
		age := t.Begin.Sub(at)
		if whole := age.Round(time.Second); (age - whole).Abs() < time.Millisecond {
			return "-" + whole.String()
		}
		return at.UTC().Format(time.RFC3339)
	case at.Before(t.Morning.Add(-slack)):
		return "yesterday"
	default:
		return "morning"
	}
}

// race is what a journal has or has not by milliseconds, on any start of any lab:
// a link-local address that is there before networkd looks is not gained.
var race = regexp.MustCompile(`: Gained IPv6LL$`)

var (
	tokens  = regexp.MustCompile(`<[A-Za-z0-9+/]{8,}>?`) // dovecot's sessions
	queue   = regexp.MustCompile(`\b[0-9A-F]{7,}\b`)     // postfix's queue ids
	length  = regexp.MustCompile(`[0-9.]+(us|ms|s)\b`)   // how long something took
	ids     = regexp.MustCompile(`\b[0-9a-f]*[0-9][0-9a-f]{7,}\b|\b[0-9a-f]{8,}[0-9][0-9a-f]*\b`)
	random  = regexp.MustCompile(`(systemd-private-|tmp\.|krb5cc_|\.#)[^ /]*`)
	numbers = regexp.MustCompile(`(?:\B-)?[0-9]+`) // with their sign, which no name has
	spaces  = regexp.MustCompile(`\s+`)
)

// normal takes out what differs from run to run.
func normal(s string) string {
	s = random.ReplaceAllString(s, "$1#")
	s = tokens.ReplaceAllString(s, "<#>")
	s = queue.ReplaceAllString(s, "#")
	s = length.ReplaceAllString(s, "#s")
	s = ids.ReplaceAllString(s, "#")
	s = numbers.ReplaceAllString(s, "#")
	return strings.TrimSpace(spaces.ReplaceAllString(s, " "))
}

// Sign is something by which a fault may show: the artefact itself, or a
// symptom.
type Sign struct {
	Pattern *regexp.Regexp
	Why     string
}

// Finding is the comparison of a faulty lab with its healthy twins.
type Finding struct {
	// Leaks are items that the twins do not have and nothing explains.
	Leaks []string `json:"leaks"`
	// Signs are items that a declared sign explains, Noise those that came by
	// chance: of a kind in which the twins differ among themselves too, or not in
	// every picture of the faulty lab.
	Signs []string `json:"signs"`
	Noise []string `json:"noise"`
}

// Compare looks for leaks in the pictures of a faulty lab, each of another start.
// Items that all twins have and the faulty lab never shows count as well
// ("missing ...").
func Compare(faulty, twins [][]string, signs []Sign) Finding {
	ill, well := count(faulty), count(twins)
	kinds := map[string]bool{}
	for i, n := range well {
		if n < len(twins) {
			kinds[kind(i)] = true
		}
	}
	always := map[string]bool{} // the suspects: are they so in every picture?
	for i, n := range ill {
		if well[i] == 0 {
			always[i] = n == len(faulty)
		}
	}
	for i, n := range well {
		if n == len(twins) && ill[i] < len(faulty) {
			always["missing "+i] = ill[i] == 0
		}
	}
	f := Finding{Leaks: []string{}, Signs: []string{}, Noise: []string{}}
	for _, i := range slices.Sorted(maps.Keys(always)) {
		switch {
		case slices.ContainsFunc(signs, func(s Sign) bool { return s.Pattern.MatchString(i) }):
			f.Signs = append(f.Signs, i)
		case !always[i], kinds[kind(strings.TrimPrefix(i, "missing "))]:
			f.Noise = append(f.Noise, i)
		default:
			f.Leaks = append(f.Leaks, i)
		}
	}
	return f
}

// count says in how many pictures each item is; a picture has it once.
func count(pictures [][]string) map[string]int {
	n := map[string]int{}
	for _, p := range pictures {
		for _, i := range p {
			n[i]++
		}
	}
	return n
}

// kind is the coarse sort of an item: twins that differ in one differ by chance.
// Of a journal it is the program and how the message begins, of a process the
// command, of a file its place, whatever the node.
func kind(item string) string {
	f := strings.Fields(item)
	switch {
	case len(f) > 2 && f[0] == "journal":
		return "journal " + strings.Join(f[2:min(len(f), 5)], " ")
	case len(f) > 3 && f[0] == "process":
		return "process " + f[1] + " " + f[3]
	case len(f) > 2:
		return f[0] + " " + f[2]
	}
	return item
}
