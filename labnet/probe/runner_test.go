package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/situlab/situlab/scenarios"
)

func (g *ground) posts(n int, segments ...string) []Post {
	var posts []Post
	for i := range n {
		p := g.post
		p.Name, p.Segment = fmt.Sprintf("pc-%d", i+1), segments[i%len(segments)]
		posts = append(posts, p)
	}
	return posts
}

func TestOnePerSegment(t *testing.T) {
	g := &ground{}
	posts := g.posts(5, "bur", "be") // bur: 1 3 5, be: 2 4
	for round, want := range []string{"pc-1 pc-2", "pc-3 pc-4", "pc-5 pc-2", "pc-1 pc-4"} {
		var got []string
		for _, p := range OnePerSegment(posts, round) {
			got = append(got, p.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("round %d: %v, want %s", round, got, want)
		}
	}
}

func TestPairs(t *testing.T) {
	g := &ground{}
	probes := []scenarios.Probe{{ID: "all"}, {ID: "be only", Segments: []string{"be"}}}
	var got []string
	for _, p := range Pairs(probes, g.posts(2, "bur", "be")) {
		got = append(got, p.Post.Name+" "+p.Probe.ID)
	}
	if s := strings.Join(got, ", "); s != "pc-1 all, pc-2 all, pc-2 be only" {
		t.Error(s)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	go http.Serve(g.listen("192.0.2.1:80"), http.NotFoundHandler())
	r := &Runner{
		Probes: []scenarios.Probe{{ID: "web", Kind: "http", Target: "192.0.2.1", Params: pm{"status": "404"}}, {ID: "ping", Kind: "icmp", Target: "192.0.2.1"},
			{ID: "dead", Kind: "http", Target: "192.0.2.2"}},
		Posts:    func(round int) []Post { return OnePerSegment(g.posts(4, "bur", "be"), round) },
		Interval: 200 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := make(chan Result)
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, out) }()
	count := map[string]int{}
	begun := time.Now()
	for range 6 * 4 { // four rounds
		s := <-out
		count[s.Post+" "+s.Probe]++
		if s.OK == (s.Probe == "dead") {
			t.Errorf("%+v", s)
		}
	}
	took := time.Since(begun)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if took < 550*time.Millisecond || took > 5*time.Second {
		t.Errorf("four rounds of 200 ms took %v", took)
	}
	for _, post := range []string{"pc-1", "pc-2", "pc-3", "pc-4"} {
		for _, p := range []string{"web", "ping", "dead"} {
			if n := count[post+" "+p]; n < 1 || n > 3 {
				t.Errorf("%s asked %d times from %s: %v", p, n, post, count)
			}
		}
	}
}

func TestRunRefusesBadProbes(t *testing.T) {
	r := &Runner{Probes: []scenarios.Probe{{ID: "x", Kind: "gopher"}}}
	if err := r.Run(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "gopher") {
		t.Error(err)
	}
}

func TestWaitGreen(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	var asked atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	})
	var once atomic.Int32
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) { once.Add(1) })
	go http.Serve(g.listen("192.0.2.1:80"), mux)
	r := &Runner{
		Probes: []scenarios.Probe{{ID: "fast", Kind: "http", Target: "192.0.2.1"},
			{ID: "slow", Kind: "http", Target: "192.0.2.1", Params: pm{"path": "/slow"}}},
		Posts: func(int) []Post { return g.posts(1, "bur") },
	}
	var seen []string
	results, err := r.WaitGreen(context.Background(), 10*time.Millisecond, func(green, total int) {
		seen = append(seen, fmt.Sprintf("%d/%d", green, total))
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || !results[0].OK || !results[1].OK || results[1].Probe != "slow" {
		t.Errorf("%+v", results)
	}
	if s := strings.Join(seen, " "); s != "1/2 1/2 2/2" || once.Load() != 1 {
		t.Errorf("turns %s, the green one asked %d times", s, once.Load())
	}

	r.Probes = append(r.Probes, scenarios.Probe{ID: "dead", Kind: "http", Target: "192.0.2.2"})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	results, err = r.WaitGreen(ctx, 10*time.Millisecond, nil)
	if len(results) != 3 || !results[0].OK || !results[1].OK || results[2].OK || results[2].Probe != "dead" {
		t.Errorf("at the end of the time: %+v", results)
	}
	var red *RedError
	if !errors.As(err, &red) || !errors.Is(err, context.DeadlineExceeded) || len(red.Red) != 1 || red.Red[0].Probe != "dead" || red.Red[0].Code != "refused" {
		t.Errorf("%v", err)
	}

	// Ended between two turns, every pair has been asked to the end.
	ctx, enough := context.WithCancel(context.Background())
	defer enough()
	results, err = r.WaitGreen(ctx, time.Hour, func(int, int) { enough() })
	if !errors.As(err, &red) || !errors.Is(err, context.Canceled) || len(results) != 3 || results[2].Interrupted() || results[2].Code != "refused" {
		t.Errorf("%+v, %v", results, err)
	}
}

// TestFullPassIsGentle: however many posts ask, a server sees few of them at once.
func TestFullPassIsGentle(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	var now, most atomic.Int32
	go http.Serve(g.listen("192.0.2.1:80"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond) // a server that takes its time
	}))
	r := &Runner{Probes: []scenarios.Probe{{ID: "web", Kind: "http", Target: "192.0.2.1"}}, Posts: func(int) []Post { return g.posts(24, "bur") }}
	results, err := r.RunOnce(context.Background())
	must(t, err)
	for _, s := range results {
		if !s.OK {
			t.Fatalf("%+v", s)
		}
	}
	if most.Load() > together || most.Load() < 2 {
		t.Errorf("%d checks of one server at once", most.Load())
	}
}

// TestFullPassIsCheap measures a whole population: 38 posts x 12 checks.
func TestFullPassIsCheap(t *testing.T) {
	g := newGround(t)
	g.dnsServer("192.0.2.1", zone)
	go http.Serve(g.listen("192.0.2.2:80"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	g.ldapServer("192.0.2.1:389", "uid=mdurand,dc=test", "letmein")
	g.sqlServer("192.0.2.1:5432", "uid=mdurand,dc=test", "letmein")
	var probes []scenarios.Probe
	for i := range 3 {
		for _, p := range []scenarios.Probe{{Kind: "http", Target: "www"}, {Kind: "ldap", Target: "192.0.2.1", Params: pm{"secret": "good"}},
			{Kind: "sql", Target: "192.0.2.1", Params: pm{"database": "d", "secret": "good"}}, {Kind: "icmp", Target: "www"}} {
			p.ID = fmt.Sprintf("%s-%d", p.Kind, i)
			probes = append(probes, p)
		}
	}
	r := &Runner{Probes: probes, Secrets: vault, Posts: func(int) []Post { return g.posts(38, "bur") }}
	var before, after syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
	begun := time.Now()
	results, err := r.RunOnce(context.Background())
	must(t, err)
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	t.Logf("%d checks: %v wall, %v CPU with the servers", len(results), time.Since(begun), cpu)
	for _, s := range results {
		if !s.OK {
			t.Fatalf("%+v", s)
		}
	}
	if cpu > 5*time.Second {
		t.Errorf("a full pass costs %v of CPU", cpu)
	}
}
