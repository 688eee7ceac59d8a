package app

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"unicode"

	"troupe/platform/ascii"
)

// serviceSettings are the endings of the settings that every service has and that are in no
// struct: ORDERS_LISTEN and so on.
var serviceSettings = []string{"_LISTEN", "_URL", "_METRICS_LISTEN", "_DOCS", "_TLS_CERT", "_TLS_KEY", "_HOSTS"}

// tidyServiceSettings returns environ with the settings of every service as they were
// meant.
func tidyServiceSettings(environ map[string]string, services []Service) (map[string]string, error) {
	var names []string
	for _, s := range services {
		for _, ending := range serviceSettings {
			names = append(names, ascii.Upper(s.Name)+ending)
		}
	}
	tidied := maps.Clone(environ)
	for _, name := range names {
		if err := tidyIn(tidied, name, tidy); err != nil {
			return nil, err
		}
	}
	return tidied, nil
}

// tidyFields returns environ with the settings of a struct as they were meant. A field with
// the tag secret:"true" is a password, of which a blank may be a part.
func tidyFields(environ map[string]string, into any) (map[string]string, error) {
	tidied := maps.Clone(environ)
	for _, field := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		f := tidy
		switch {
		case field.Tag.Get("secret") == "true":
			f = Secret
		case field.Type.Kind() == reflect.Slice:
			f = tidyList
		}
		if err := tidyIn(tidied, name, f); err != nil {
			return nil, err
		}
	}
	return tidied, nil
}

func tidyIn(environ map[string]string, name string, f func(name, value string) (string, error)) error {
	value, set := environ[name]
	if !set {
		return nil
	}
	value, err := f(name, value)
	if err == nil {
		environ[name] = value
	}
	return err
}

// tidy returns the value of a setting without white space and invisible characters at its
// ends: a line feed comes with a secret that was made from a file. Control characters
// inside are an error, which does not show the value: it may be a secret.
func tidy(name, value string) (string, error) {
	value = strings.TrimFunc(value, func(r rune) bool { return isInvisible(r) || unicode.IsSpace(r) })
	if r, found := controlIn(value); found {
		return "", fmt.Errorf("%s contains %s inside its value: it may consist of several lines that were pasted together; write it as one", name, r)
	}
	return value, nil
}

// tidyList does the same for each part of a list, and leaves out empty ones.
func tidyList(name, value string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(value, ",") {
		part, err := tidy(name, part)
		if err != nil {
			return "", err
		}
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ","), nil
}

// Secret returns a password from a setting or a file without the line feed and other
// invisible characters at its ends, which no operator means. Blanks there may be meant, and
// are easily lost elsewhere: they are an error, like control characters inside. The error
// does not show the secret.
func Secret(name, value string) (string, error) {
	value = strings.TrimFunc(value, isInvisible)
	if r, found := controlIn(value); found {
		return "", fmt.Errorf("%s contains %s inside the password: remove it, or choose another password", name, r)
	}
	if strings.TrimSpace(value) != value {
		return "", fmt.Errorf("%s begins or ends with a blank, which is easily lost: remove it, or choose another password", name)
	}
	return value, nil
}

// isInvisible reports whether no operator means the character at an end of a setting:
// control characters, ends of lines, byte order marks and characters without a width.
func isInvisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == '\ufeff' || r == '\u200b'
}

// controlIn returns a description of the first control character in the value.
func controlIn(value string) (description string, found bool) {
	for _, r := range value {
		switch {
		case r == '\n':
			return "a line feed (U+000A)", true
		case r == '\r':
			return "a carriage return (U+000D)", true
		case unicode.IsControl(r):
			return fmt.Sprintf("a control character (%U)", r), true
		}
	}
	return "", false
}

// TidyEnvironment removes what no operator means from the ends of this process's
// environment variables. Programs call it first, for what libraries read there.
func TidyEnvironment() {
	for name, value := range Environ(os.Environ()) {
		if tidied := strings.TrimFunc(value, isInvisible); tidied != value {
			_ = os.Setenv(name, tidied) // the name is that of a variable that exists, so it is valid
		}
	}
}
