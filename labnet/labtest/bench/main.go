// Command bench measures labs from outside: what it says of a lab it has read in
// the kernel, in the nodes' own namespaces or from their systemd, never in
// situlab's events. From situlab it takes the names of places only: the cgroup
// of a node, the pin of the switch namespace.
//
//	bench [-sections up,idle,scale,session,peers] [-n 5] [-out bench] [-fresh]
//
// Every single measurement is saved as soon as it is made; a run that was
// interrupted goes on where it stopped, as long as program and host are the same.
// The exit code is 1, after the results are written, if a figure is over, if
// there are findings, or if a kind could not be measured as often as asked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is one invocation.
type bench struct {
	situlab string // the program under test
	out     string
	n       int
	site    string // the site at its own size
	scales  []int  // numbers of nodes; the first is the site's own
	idle    time.Duration
	book    *book
}

// sections are what can be asked for, in the order in which they run.
var sections = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"up", (*bench).upSection},
	{"idle", (*bench).idleSection},
	{"scale", (*bench).scaleSection},
	{"session", (*bench).sessionSection},
	{"peers", (*bench).peersSection},
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == connectVerb {
		os.Exit(connect())
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		if errors.Is(err, context.Canceled) {
			os.Exit(130)
		}
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	b := &bench{}
	var wanted, scales string
	var fresh bool
	flag.StringVar(&b.out, "out", "bench", "folder of the results")
	flag.IntVar(&b.n, "n", 5, "measurements of each kind; figures are their medians")
	flag.StringVar(&wanted, "sections", strings.Join(names, ","), "what to measure")
	flag.StringVar(&b.site, "site", "aveline", "site of the library")
	flag.StringVar(&scales, "scales", "120,240", "numbers of nodes that the site is grown to")
	flag.DurationVar(&b.idle, "idle", time.Minute, "window of an idle measurement")
	flag.StringVar(&b.situlab, "situlab", "", "the program under test (default: beside this one)")
	flag.BoolVar(&fresh, "fresh", false, "forget earlier measurements of the folder")
	flag.Parse()
	if os.Geteuid() != 0 {
		return errors.New("labs need the rights of root")
	}
	if b.situlab == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		b.situlab = filepath.Join(filepath.Dir(self), "situlab")
	}
	chosen := strings.Split(wanted, ",")
	for _, c := range chosen {
		if !slices.Contains(names, c) {
			return fmt.Errorf("no section %q; sections: %s", c, strings.Join(names, ", "))
		}
	}
	own, err := siteSize(b.site)
	if err != nil {
		return err
	}
	b.scales = []int{own}
	for s := range strings.SplitSeq(scales, ",") {
		v, err := strconv.Atoi(s)
		if err != nil || v <= own {
			return fmt.Errorf("-scales: %q is not a number above %d", s, own)
		}
		b.scales = append(b.scales, v)
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	if b.out, err = filepath.Abs(b.out); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if b.book, err = openBook(ctx, b, fresh); err != nil {
		return err
	}
	begin := time.Now()
	for _, s := range sections {
		if !slices.Contains(chosen, s.name) {
			continue
		}
		if err = s.run(b, ctx); err != nil {
			err = fmt.Errorf("section %s: %w", s.name, err)
			break
		}
	}
	b.book.Seconds += time.Since(begin).Seconds()
	table := report(b.book, b.scales)
	if werr := errors.Join(b.book.save(), os.WriteFile(filepath.Join(b.out, "bench.md"), []byte(table), 0o644)); werr != nil {
		return werr
	}
	fmt.Print(table)
	fmt.Printf("\nthis run: %.0f s; all runs of this folder: %.0f s\nresults: %s, %s\n", time.Since(begin).Seconds(), b.book.Seconds,
		filepath.Join(b.out, "bench.md"), b.book.file)
	if err != nil {
		return err
	}
	if list := faults(b.book, chosen, b.scales, b.n); len(list) > 0 {
		return fmt.Errorf("not as it must be:\n- %s", strings.Join(list, "\n- "))
	}
	return nil
}

// say tells the person who waits.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// maxFailed is how many failed measurements of one kind are put up with.
const maxFailed = 2

// repeat measures until a kind has n good measurements. A failed one is kept
// with its error; too many of them in one
// invocation end the kind, not the bench.
func (b *bench) repeat(ctx context.Context, key string, measure func(context.Context, *sample) error) error {
	for failed := 0; ; {
		good := 0
		for _, s := range b.book.Samples[key] {
			if s.Error == "" {
				good++
			}
		}
		if good >= b.n {
			return nil
		}
		if failed > maxFailed {
			say("%s: %d measurements failed; going on without", key, failed)
			return nil
		}
		say("%s: measurement %d of %d", key, good+1, b.n)
		s := newSample()
		err := measure(ctx, s)
		s.end()
		if ctx.Err() != nil {
			return ctx.Err() // half a measurement is none
		}
		if err != nil {
			failed++
			s.Error = err.Error()
			say("%s: %v", key, err)
		} else {
			say("%s: %s", key, s)
		}
		b.book.Samples[key] = append(b.book.Samples[key], s)
		if err := b.book.save(); err != nil {
			return err
		}
	}
}
