package httpapi

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
)

// edit replaces a part of the body.
type edit struct {
	from, to int
	text     string
}

// rewriteInteger notes that the number between two places is to be written as an integer,
// if it is one: 2.0 and 2e0 are the integer 2 in JSON Schema, which the API document
// promises, but encoding/json reads only 2 into an int64.
func (b *bounds) rewriteInteger(from, to int) {
	if text, ok := plainInteger(string(b.text[from:to])); ok {
		b.edits = append(b.edits, edit{from, to, text})
	}
}

// plainInteger returns a JSON number that has a point or an exponent without them, and
// whether it is an integer of 64 bits.
func plainInteger(number string) (string, bool) {
	const longest, largestExponent = 40, 40 // beyond them it is none
	e := 0
	if at := strings.IndexAny(number, "eE"); at >= 0 {
		var err error
		if e, err = strconv.Atoi(number[at+1:]); err != nil {
			return "", false
		}
	}
	if len(number) > longest || e > largestExponent || e < -largestExponent {
		return "", false
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return "", false
	}
	return r.Num().String(), true
}

// edited returns the body with the edits.
func (b *bounds) edited() []byte {
	if len(b.edits) == 0 {
		return b.text
	}
	var out bytes.Buffer
	from := 0
	for _, e := range b.edits {
		out.Write(b.text[from:e.from])
		out.WriteString(e.text)
		from = e.to
	}
	out.Write(b.text[from:])
	return out.Bytes()
}
