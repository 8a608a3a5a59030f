package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// String writes a duration as a file does: "90s", "15m", "48h", "30d".
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t == 0:
		return "0s"
	case t%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(t/(24*time.Hour)), 10) + "d"
	case t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t%time.Minute == 0:
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	default:
		return t.String()
	}
}

// MarshalText writes the duration for JSON.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote and what people write.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err == nil {
		*d = v
	}
	return err
}

var durationPart = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(d|h|ms|m|s)`)

// ParseDuration reads a duration such as "90s", "1h30m", "30d" or "-2h". A day
// is 24 hours; a number without unit is an error.
func ParseDuration(s string) (Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	if rest == "" {
		return 0, fmt.Errorf("%q is no duration; write for instance 90s, 15m, 48h or 30d", s)
	}
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}
	var total float64
	for rest != "" {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is no duration; write for instance 90s, 15m, 48h or 30d", s)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration: %w", s, err)
		}
		total += n * float64(units[m[2]])
		rest = rest[len(m[0]):]
	}
	// Ten years: nothing in a company's file is older, and sums stay far from overflow.
	if total > float64(10*365*24*time.Hour) {
		return 0, fmt.Errorf("%q is longer than ten years", s)
	}
	d := Duration(math.Round(total))
	if negative {
		d = -d
	}
	return d, nil
}
