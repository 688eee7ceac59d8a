package story

import (
	"fmt"
	"strings"
	"time"

	"troupe/platform/ascii"
)

// short returns the type of an event without its version: "order.created".
func short(eventType string) string {
	if i := strings.LastIndex(eventType, ".v"); i > 0 {
		return eventType[:i]
	}
	return eventType
}

// span returns a duration as people read it: "320 ms", "1.2 s", "43 s", "4 min 10 s".
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", d.Seconds()), ".0 s", " s", 1)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 48*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

func two(large int, unit string, small int, smaller string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, smaller)
}

// clockTime returns a time of day: "10:02:11 UTC".
func clockTime(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// list returns "a", "a and b", "a, b, and c".
func list(items []string) string {
	switch n := len(items); n {
	case 0, 1:
		return strings.Join(items, "")
	case 2:
		return items[0] + " and " + items[1]
	default:
		return strings.Join(items[:n-1], ", ") + ", and " + items[n-1]
	}
}

// count returns "1 attempt", "3 attempts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxError is how many characters of an error a sentence has.
const maxError = 140

// errorText returns the first line of an error, cut to what fits into a sentence.
func errorText(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	runes := []rune(text)
	if len(runes) > maxError {
		return string(runes[:maxError-1]) + "…"
	}
	return string(runes)
}

// inParentheses returns " (text)", or nothing if there is no text.
func inParentheses(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// sentence returns text with a capital letter at its beginning and a full stop at its end.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return ascii.Upper(text[:1]) + text[1:] + "."
}
