// Package ui is how commands speak to people and programs: results on standard
// output (text, or JSON and nothing else), progress and messages on standard
// error, French first.
package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// UI holds where and how a command speaks.
type UI struct {
	Out, Err io.Writer
	JSON     bool
	Lang     string // "fr" or "en"
	// Paint is for results, what goes to Out; messages have their own.
	Paint
	messages Paint
	tty      bool // Err is a terminal
	width    int  // of that terminal; 0 when it is not known
	relay    func(Report)

	mu    sync.Mutex
	begin time.Time
	line  bool // an unfinished progress line stands on the terminal
}

// New makes the UI of a command; lang empty means LANG, then French. Results and
// messages are painted each by where they go: one may be a file, the other a
// terminal.
func New(json bool, lang string) *UI {
	u := &UI{
		Out: os.Stdout, Err: os.Stderr, JSON: json, Lang: Language(lang),
		Paint: colour(os.Stdout), messages: colour(os.Stderr),
		tty: term.IsTerminal(int(os.Stderr.Fd())), begin: time.Now(),
	}
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		u.width = w
	}
	return u
}

// Relay makes the UI of a process that speaks through another one: its steps,
// progress and warnings are handed to say, which gives them to the other's
// [UI.Say]. It has no results.
func Relay(lang string, say func(Report)) *UI {
	return &UI{Out: io.Discard, Err: io.Discard, Lang: Language(lang), relay: say, begin: time.Now()}
}

// Report is a message on its way to the process that shows it.
type Report struct {
	// Step is done or begins. With a Total it is how far it is.
	Step  string `json:"step,omitempty"`
	Done  int    `json:"done,omitempty"`
	Total int    `json:"total,omitempty"`
	// Warn is a warning.
	Warn string `json:"warn,omitempty"`
}

// Say shows what another process reports, with this process's clock.
func (u *UI) Say(r Report) {
	switch {
	case r.Warn != "":
		u.Warn("%s", r.Warn)
	case r.Total > 0:
		u.Progress(r.Step, r.Done, r.Total)
	case r.Step != "":
		u.Step("%s", r.Step)
	}
}

// Language chooses fr or en from a flag and the environment.
func Language(flag string) string {
	for _, v := range []string{flag, os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")} {
		switch {
		case strings.HasPrefix(v, "en"):
			return "en"
		case strings.HasPrefix(v, "fr"):
			return "fr"
		}
	}
	return "fr"
}

// T picks the text of the UI's language.
func (u *UI) T(fr, en string) string {
	if u.Lang == "en" {
		return en
	}
	return fr
}

// Step says that a step of a long task is done or begins.
func (u *UI) Step(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if u.relay != nil {
		u.relay(Report{Step: text})
		return
	}
	u.clear()
	fmt.Fprintf(u.Err, "%s %s\n", u.clock(), text)
}

// clock is the time since the command began, before each step.
func (u *UI) clock() string {
	return u.messages.dim(fmt.Sprintf("[%6.1f s]", time.Since(u.begin).Seconds()))
}

// stepLine is a line that Step or Progress wrote without colours.
var stepLine = regexp.MustCompile(`^\[ *\d+\.\d s\] (.*)$`)

// StepOf finds the step in a line of another situlab's standard error.
func StepOf(line string) (step string, ok bool) {
	m := stepLine.FindStringSubmatch(line)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// Progress shows how far a step is, on one line of a terminal; elsewhere only
// its end is shown.
func (u *UI) Progress(what string, done, total int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.relay != nil {
		u.relay(Report{Step: what, Done: done, Total: total})
		return
	}
	end := total > 0 && done >= total
	if !u.tty && !end {
		return
	}
	u.clear()
	u.show(fmt.Sprintf("%s %d/%d", what, done, total))
	if end {
		fmt.Fprintln(u.Err)
		u.line = false
	}
}

// Status shows what is going on, on a terminal only, until something else is
// said.
func (u *UI) Status(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.tty && u.relay == nil {
		u.clear()
		u.show(text)
	}
}

// show writes a line that can be taken away again: never wider than the
// terminal.
func (u *UI) show(text string) {
	const clock = len("[1234.5 s] ")
	if r := []rune(text); u.width > clock && len(r) > u.width-clock-1 {
		text = string(r[:u.width-clock-2]) + "…"
	}
	fmt.Fprintf(u.Err, "%s %s", u.clock(), text)
	u.line = true
}

func (u *UI) clear() {
	if u.line {
		fmt.Fprint(u.Err, "\r\x1b[K")
		u.line = false
	}
}

// Warn says something that the user should know.
func (u *UI) Warn(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if u.relay != nil {
		u.relay(Report{Warn: text})
		return
	}
	u.clear()
	fmt.Fprintln(u.Err, u.messages.with("33", "! ")+text)
}

// Error says what went wrong.
func (u *UI) Error(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
	text := u.Text(err)
	var list interface {
		InputError()
		Unwrap() []error
	}
	if errors.As(err, &list) && strings.Contains(text, "\n") {
		// Each mistake begins its line, so that an editor finds the place.
		text = fmt.Sprintf(u.T("%d erreurs\n%s", "%d mistakes\n%s"), len(list.Unwrap()), text)
	}
	fmt.Fprintln(u.Err, u.messages.Bad("situlab: ")+text)
}

// Text is what an error says, in the UI's language.
func (u *UI) Text(err error) string {
	return u.Phrase(err.Error())
}

// Phrase puts what a package says in English into the UI's language.
func (u *UI) Phrase(english string) string {
	if u.Lang == "en" {
		return english
	}
	return French(english)
}

// Printf writes a result for people; it is silent when JSON is asked for.
func (u *UI) Printf(format string, args ...any) {
	if !u.JSON {
		u.write(fmt.Sprintf(format, args...))
	}
}

// write writes a part of a result; a progress line makes room for it.
func (u *UI) write(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
	_, _ = io.WriteString(u.Out, text)
}

// Result writes a result as JSON when JSON is asked for, else calls text.
func (u *UI) Result(v any, text func()) error {
	if !u.JSON {
		text()
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
	e := json.NewEncoder(u.Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Event writes one line of a JSON stream; nothing without JSON.
func (u *UI) Event(v any) {
	if u.JSON {
		u.mu.Lock()
		defer u.mu.Unlock()
		_ = json.NewEncoder(u.Out).Encode(v)
	}
}

// Messages paints what is said on standard error.
func (u *UI) Messages() Paint { return u.messages }

// Paint says whether colours may be used.
type Paint bool

// colour decides for one place: a terminal that has colours, if they are wanted
// (no-color.org).
func colour(f *os.File) Paint {
	return Paint(term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// Bold makes a heading stand out.
func (p Paint) Bold(s string) string { return p.with("1", s) }

// Good paints what is well.
func (p Paint) Good(s string) string { return p.with("32", s) }

// Bad paints what is not well.
func (p Paint) Bad(s string) string { return p.with("31", s) }

func (p Paint) dim(s string) string { return p.with("2", s) }

func (p Paint) with(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Table writes rows in columns; the first row is the heading.
func (u *UI) Table(rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for n, r := range rows {
		var b strings.Builder
		for i, c := range r {
			b.WriteString(c)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len([]rune(c))+2))
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = u.Bold(line)
		}
		u.write(line + "\n")
	}
}
