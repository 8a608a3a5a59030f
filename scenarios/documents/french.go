package documents

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// nbsp keeps a number with its unit and a sign with its word.
const nbsp = "\u00a0"

// typographyRules put the unbreakable spaces of French typesetting where the
// texts have plain ones.
var typographyRules = []struct {
	match *regexp.Regexp
	with  string
}{
	{regexp.MustCompile(` ([;:!?»])`), nbsp + "$1"},
	{regexp.MustCompile(`« `), "«" + nbsp},
	{regexp.MustCompile(`(\d) (h|min|s|%|€|€/h|Go|Mo|Mbit/s|kbit/s|jours?|mois|postes?|ans?)([^\pL]|$)`), "$1" + nbsp + "$2$3"},
	{regexp.MustCompile(`(h) (\d\d)([^\d]|$)`), "$1" + nbsp + "$2$3"},
	{regexp.MustCompile(`(\d) (\d{3})([^\d]|$)`), "$1" + nbsp + "$2$3"},
	{regexp.MustCompile(`(n°|PR) (\d)`), "$1" + nbsp + "$2"},
}

// Typeset puts the unbreakable spaces of French typesetting into a text of that
// language ("fr"), code left alone; a text of another language stays as it is.
func Typeset(markdown, lang string) string {
	if lang != "fr" {
		return markdown
	}
	return typography(markdown)
}

// typography applies the rules to everything but code.
func typography(markdown string) string {
	var out strings.Builder
	code := false
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if code || strings.HasPrefix(line, "```") {
			out.WriteString(line)
			continue
		}
		for i, part := range strings.Split(line, "`") {
			if i > 0 {
				out.WriteByte('`')
			}
			if i%2 == 0 {
				for _, r := range typographyRules {
					part = r.match.ReplaceAllString(part, r.with)
				}
			}
			out.WriteString(part)
		}
	}
	return out.String()
}

var (
	frDays   = [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	frMonths = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
)

// day is a date in full.
func (v *view) day(t time.Time) string {
	if v.Lang == "en" {
		return t.Format("Monday 2 January 2006")
	}
	number := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		number = "1er"
	}
	return fmt.Sprintf("%s %s %s %d", frDays[t.Weekday()], number, frMonths[t.Month()-1], t.Year())
}

// short is a date and a time in few signs.
func (v *view) short(t time.Time) string {
	if v.Lang == "en" {
		return t.Format("02 Jan 15:04")
	}
	return t.Format("02/01 ") + v.clock(t)
}

// clock is a time of day.
func (v *view) clock(t time.Time) string {
	if v.Lang == "en" {
		return t.Format("15:04")
	}
	return t.Format("15") + nbsp + "h" + nbsp + t.Format("04")
}

// span is a length of time in the words of a service level.
func (v *view) span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		n := int(d / (24 * time.Hour))
		return fmt.Sprintf("%d%s%s", n, nbsp, v.tr("jours", "days"))
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d%sh", d/time.Hour, nbsp)
	case d >= time.Hour:
		return fmt.Sprintf("%d%sh%s%02d", d/time.Hour, nbsp, nbsp, d%time.Hour/time.Minute)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d%smin", d/time.Minute, nbsp)
	}
	return fmt.Sprintf("%d%ss", d/time.Second, nbsp)
}

// decimal writes a number with the language's separator.
func (v *view) decimal(f float64) string {
	s := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
	if v.Lang == "fr" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}
