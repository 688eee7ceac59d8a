// Command generate makes the table of countries from the address data that Google
// publishes for its libaddressinput (CC BY 4.0); package postal describes both. It reads a
// folder with a JSON file for each country, as the data are distributed:
//
//	go run ./services/orders/internal/postal/generate -data DIR -to services/orders/internal/postal/countries.tsv
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// country is what the data have about a country.
type country struct {
	Key     string `json:"key"`
	Require string `json:"require"`
	Format  string `json:"fmt"`
	Zip     string `json:"zip"`
	Example string `json:"zipex"`
	Prefix  string `json:"postprefix"`
	State   string `json:"state_name_type"`
}

// notISO are codes in the data that are not in ISO 3166-1: two islands of Saint Helena, and
// the entry with the defaults. XK is not either, but the code that is used for Kosovo.
var notISO = []string{"AC", "TA", "ZZ"}

const header = "# Code generated from the address data of libaddressinput (CC BY 4.0); see the package generate. DO NOT EDIT.\n" +
	"# code, what is required (C city, S state, Z postal code), postal code without blanks and hyphens, example, prefix, name of a state"

func main() {
	data := flag.String("data", "", "the folder with a JSON file for each country")
	to := flag.String("to", "", "the file of the table")
	flag.Parse()
	if err := generate(*data, *to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(data, to string) error {
	countries, err := read(data)
	if err != nil {
		return err
	}
	defaults := countries["ZZ"]
	table := []string{header}
	for _, code := range slices.Sorted(maps.Keys(countries)) {
		if slices.Contains(notISO, code) {
			continue
		}
		c := countries[code]
		if c.Require == "" {
			c.Require = defaults.Require
		}
		if c.Format == "" {
			c.Format = defaults.Format
		}
		table = append(table, strings.Join([]string{code, required(c), compactPattern(c.Zip), example(c), compact(c.Prefix), c.State}, "\t"))
	}
	return os.WriteFile(to, []byte(strings.Join(table, "\n")+"\n"), 0o600)
}

var isCountry = regexp.MustCompile(`^[A-Z]{2}$`)

// read returns the countries of the folder. A file also has the country's regions, whose
// keys are longer.
func read(folder string) (map[string]country, error) {
	files, err := filepath.Glob(filepath.Join(folder, "??.json"))
	if err != nil {
		return nil, err
	}
	countries := map[string]country{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var entries map[string]country
		if err := json.Unmarshal(text, &entries); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for key, c := range entries {
			if isCountry.MatchString(key) {
				countries[key] = c
			}
		}
	}
	if _, ok := countries["ZZ"]; !ok {
		return nil, fmt.Errorf("%s has no zz.json with the defaults", folder)
	}
	return countries, nil
}

// required returns the letters of the members that an address must have, of those that
// its format has at all. A is the street, which every country requires.
func required(c country) string {
	var all []string
	for _, member := range []string{"C", "S", "Z"} {
		if strings.Contains(c.Require, member) && strings.Contains(c.Format, "%"+member) {
			all = append(all, member)
		}
	}
	return strings.Join(all, "")
}

// example returns the first example of a postal code.
func example(c country) string {
	first, _, _ := strings.Cut(c.Example, ",")
	return first
}

var (
	separators  = regexp.MustCompile(`\[[ \\-]+\]\??|[ -]\??`)
	classes     = regexp.MustCompile(`\[[^\]]*\]`)
	placeholder = regexp.MustCompile(`\x00\d+\x00`)
)

// compactPattern returns the pattern of a postal code that has no blanks and hyphens.
func compactPattern(pattern string) string {
	var kept []string
	pattern = classes.ReplaceAllStringFunc(pattern, func(class string) string {
		if separators.FindString(class) == class {
			return class
		}
		kept = append(kept, class)
		return fmt.Sprintf("\x00%d\x00", len(kept)-1)
	})
	pattern = separators.ReplaceAllString(pattern, "")
	return placeholder.ReplaceAllStringFunc(pattern, func(p string) string {
		var i int
		_, _ = fmt.Sscanf(strings.Trim(p, "\x00"), "%d", &i)
		return kept[i]
	})
}

func compact(prefix string) string { return strings.NewReplacer(" ", "", "-", "").Replace(prefix) }
