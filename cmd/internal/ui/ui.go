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
	color    bool
	tty      bool

	mu    sync.Mutex
	begin time.Time
	line  bool // an unfinished progress line stands on the terminal
}

// New makes the UI of a command; lang empty means LANG, then French.
func New(json bool, lang string) *UI {
	tty := term.IsTerminal(int(os.Stderr.Fd()))
	return &UI{
		Out: os.Stdout, Err: os.Stderr, JSON: json, Lang: Language(lang), tty: tty,
		color: tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		begin: time.Now(),
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
	u.clear()
	fmt.Fprintf(u.Err, "%s %s\n", u.dim(fmt.Sprintf("[%6.1f s]", time.Since(u.begin).Seconds())), fmt.Sprintf(format, args...))
}

// Progress shows how far a step is, on one line of a terminal; elsewhere only
// its end is shown.
func (u *UI) Progress(what string, done, total int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	end := total > 0 && done >= total
	if !u.tty && !end {
		return
	}
	u.clear()
	fmt.Fprintf(u.Err, "%s %s %d/%d", u.dim(fmt.Sprintf("[%6.1f s]", time.Since(u.begin).Seconds())), what, done, total)
	u.line = true
	if end || !u.tty {
		fmt.Fprintln(u.Err)
		u.line = false
	}
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
	u.clear()
	fmt.Fprintln(u.Err, u.paint("33", "! ")+fmt.Sprintf(format, args...))
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
	fmt.Fprintln(u.Err, u.paint("31", "situlab: ")+text)
}

// Text is what an error says, in the UI's language.
func (u *UI) Text(err error) string {
	if u.Lang == "en" {
		return err.Error()
	}
	return French(err.Error())
}

// Printf writes a result for people; it is silent when JSON is asked for.
func (u *UI) Printf(format string, args ...any) {
	if !u.JSON {
		fmt.Fprintf(u.Out, format, args...)
	}
}

// Result writes a result as JSON when JSON is asked for, else calls text.
func (u *UI) Result(v any, text func()) error {
	if !u.JSON {
		text()
		return nil
	}
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

// Bold and the others paint on a colour terminal only.
func (u *UI) Bold(s string) string { return u.paint("1", s) }
func (u *UI) dim(s string) string  { return u.paint("2", s) }

// Good paints what is well, Bad what is not.
func (u *UI) Good(s string) string { return u.paint("32", s) }

// Bad paints what is not well.
func (u *UI) Bad(s string) string { return u.paint("31", s) }

func (u *UI) paint(code, s string) string {
	if !u.color {
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
		fmt.Fprintln(u.Out, line)
	}
}
