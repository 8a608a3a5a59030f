package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/situlab/situlab/scenarios"
)

// Runner makes many checks: every probe from every post whose segment it names.
type Runner struct {
	Probes  []scenarios.Probe
	Secrets Secrets
	// Posts gives the posts of a round (their namespaces change when they
	// reboot); see [OnePerSegment].
	Posts func(round int) []Post
	// Interval is the time between two checks of one pair; 0 means 15 s.
	Interval time.Duration
	// Parallel is the most checks under way at once; 0 means 16.
	Parallel int
}

// Pair is one probe asked from one post.
type Pair struct {
	Probe scenarios.Probe
	Post  Post
}

// Pairs lists what is asked from where, post by post.
func Pairs(probes []scenarios.Probe, posts []Post) []Pair {
	var pairs []Pair
	for _, post := range posts {
		for _, p := range probes {
			if len(p.Segments) == 0 || slices.Contains(p.Segments, post.Segment) {
				pairs = append(pairs, Pair{p, post})
			}
		}
	}
	return pairs
}

// OnePerSegment picks one post of each segment, another one each round, so that
// every workstation speaks for its segment in turn. Posts keep their order.
func OnePerSegment(posts []Post, round int) []Post {
	var order []string
	members := map[string][]Post{}
	for _, p := range posts {
		if members[p.Segment] == nil {
			order = append(order, p.Segment)
		}
		members[p.Segment] = append(members[p.Segment], p)
	}
	picked := make([]Post, 0, len(order))
	for _, segment := range order {
		all := members[segment]
		picked = append(picked, all[round%len(all)])
	}
	return picked
}

func (r *Runner) interval() time.Duration {
	if r.Interval > 0 {
		return r.Interval
	}
	return 15 * time.Second
}

func (r *Runner) parallel() int {
	if r.Parallel > 0 {
		return r.Parallel
	}
	return 16
}

// Run checks every pair once per interval until ctx ends, and sends every
// sample. The checks of a round are spread over the interval, each at its own
// place with some jitter, so that they neither come in bursts nor beat with
// anything periodic in the lab. A check cut short by ctx is not sent. When out
// is not read, Run waits and samples come later; none is lost. It returns nil
// when ctx ends.
func (r *Runner) Run(ctx context.Context, out chan<- Result) error {
	if err := r.validate(); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(r.parallel())
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for round := 0; ctx.Err() == nil; round++ {
		pairs := Pairs(r.Probes, r.Posts(round))
		step := r.interval() / time.Duration(max(len(pairs), 1))
		for i, pair := range pairs {
			at := next.Add(time.Duration(i)*step + time.Duration(rand.Int64N(int64(step)/2+1)))
			timer.Reset(time.Until(at))
			select {
			case <-ctx.Done():
			case <-timer.C:
				group.Go(func() error {
					result := Check(ctx, pair.Probe, pair.Post, r.Secrets)
					if result.Interrupted() {
						return nil
					}
					select {
					case out <- result:
					case <-ctx.Done():
					}
					return nil
				})
			}
			if ctx.Err() != nil {
				break
			}
		}
		// A round that took longer than the interval does not make the next
		// ones hurry to catch up.
		if next = next.Add(r.interval()); next.Before(time.Now()) {
			next = time.Now()
		}
		if len(pairs) == 0 {
			timer.Reset(time.Until(next))
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		}
	}
	return group.Wait()
}

// RunOnce checks every pair of round 0 once, in parallel, and returns the
// results in the order of [Pairs].
func (r *Runner) RunOnce(ctx context.Context) ([]Result, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	return r.checkAll(ctx, Pairs(r.Probes, r.Posts(0)))
}

// together is how many checks of one probe a full pass makes at once. Users do
// not all log in within the same second; on a host of two cores a server that
// is asked by the whole population together would be slow by our own doing.
const together = 4

// checkAll makes the checks of these pairs once, in parallel, and returns the
// results in their order.
func (r *Runner) checkAll(ctx context.Context, pairs []Pair) ([]Result, error) {
	results := make([]Result, len(pairs))
	gates := map[string]chan struct{}{}
	for _, pair := range pairs {
		if gates[pair.Probe.ID] == nil {
			gates[pair.Probe.ID] = make(chan struct{}, together)
		}
	}
	var group errgroup.Group
	group.SetLimit(r.parallel())
	for i, pair := range pairs {
		group.Go(func() error {
			gate := gates[pair.Probe.ID]
			gate <- struct{}{}
			defer func() { <-gate }()
			results[i] = Check(ctx, pair.Probe, pair.Post, r.Secrets)
			return nil
		})
	}
	_ = group.Wait() // the functions return no error
	if err := ctx.Err(); err != nil {
		return results, fmt.Errorf("checks interrupted: %w", context.Cause(ctx))
	}
	return results, nil
}

// RedError says which checks are still red.
type RedError struct{ Red []Result }

func (e *RedError) Error() string {
	const shown = 5
	text := fmt.Sprintf("%d checks are red:", len(e.Red))
	for _, r := range e.Red[:min(len(e.Red), shown)] {
		text += fmt.Sprintf(" %s from %s (%s %s: %s);", r.Probe, r.Post, r.Stage, r.Code, r.Detail)
	}
	if n := len(e.Red) - shown; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// WaitGreen repeats the checks of round 0 until each pair has been green once:
// a pair that is green is not asked again, a red one is, at most every pause
// (0 means 250 ms). progress, if any, is called after each turn; a ctx that it ends
// cuts no check short. The results are the last of each pair, in the order of
// [Pairs]. When ctx ends first the error is a [RedError] joined with ctx's cause,
// and a pair that was never asked to the end has a [Result.Interrupted].
func (r *Runner) WaitGreen(ctx context.Context, pause time.Duration, progress func(green, total int)) ([]Result, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	if pause <= 0 {
		pause = 250 * time.Millisecond
	}
	key := func(p Pair) string { return p.Post.Name + "\x00" + p.Probe.ID }
	last := map[string]Result{}
	for {
		begun := time.Now()
		var red []Pair
		pairs := Pairs(r.Probes, r.Posts(0))
		for _, p := range pairs {
			if !last[key(p)].OK {
				red = append(red, p)
			}
		}
		results, _ := r.checkAll(ctx, red)
		for i, result := range results {
			// What a check told that we did not cut short is worth more.
			if k := key(red[i]); !result.Interrupted() || last[k].Probe == "" {
				last[k] = result
			}
		}
		all := make([]Result, 0, len(pairs))
		still := &RedError{}
		for _, p := range pairs {
			result := last[key(p)]
			all = append(all, result)
			if !result.OK {
				still.Red = append(still.Red, result)
			}
		}
		if progress != nil {
			progress(len(pairs)-len(still.Red), len(pairs))
		}
		if len(still.Red) == 0 {
			return all, nil
		}
		timer := time.NewTimer(time.Until(begun.Add(pause)))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return all, errors.Join(still, context.Cause(ctx))
		}
	}
}

func (r *Runner) validate() error {
	var errs []error
	for _, p := range r.Probes {
		errs = append(errs, Validate(p))
	}
	return errors.Join(errs...)
}
