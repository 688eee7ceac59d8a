package troupe

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/stretchr/testify/require"
)

// wordRow is a family of words and the limits of its use in comments, per 10,000 words.
// The limits are three times the highest (or a third of the lowest) figure of well-known
// Go projects: wtf, river, upspin, boulder, watermill, dbos-transact and perkeep.
type wordRow struct {
	title       string
	words       *regexp.Regexp
	most, least float64
}

func anyOf(words string) *regexp.Regexp { return regexp.MustCompile(`(?i)\b(` + words + `)\b`) }

var wordRows = []wordRow{
	{"say, tell, hear: write publish, return, report, receive", anyOf("say|says|said|tell|tells|told|hear|hears|heard|hearer|hearers"), 9.3, 0},
	{"nobody, whoever, whatever: name the subject", anyOf("nobody|somebody|anybody|everybody|whoever|whatever"), 6.3, 0},
	{"gives: write returns", anyOf("gives"), 7.5, 0},
	{"words that nobody looks for", anyOf("for ever|anew|in vain|to be had|reckon|reckons|heed|heeds|heeded|mend|mends|mended|unsaid|at rest|of ours"), 4.5, 0},
	{"can not: write cannot", anyOf("can not"), 0.6, 0},
	{"returns, reports: Go's convention for comments", anyOf("returns|reports"), 10000, 18},
}

// privateNames are words that no declared name may contain; docs/GLOSSARY.md has the
// field's word for each.
var privateNames = strings.Fields(`
	hear hears heard hearer hearers say says said tell tells told bell bells door doors crowd witness saboteur weather
	climate foretell storm tally farewell parcel fleet visitor herald reaction reactions deaf barred shelf telling
	letter letters grounds complain mailbag wish regret insist persist`)

// allowedNames contain a private word for a reason.
var allowedNames = map[string]string{}

// hit is a place where a word was found.
type hit struct{ place, text string }

// measure counts the words of all comments, and returns where each row's words occur.
func measure(tree []source) (words int, hits map[string][]hit) {
	hits = map[string][]hit{}
	word := regexp.MustCompile(`[A-Za-z']+`)
	for _, s := range tree {
		for _, group := range s.file.Comments {
			for _, comment := range group.List {
				if strings.HasPrefix(comment.Text, "//go:") || strings.HasPrefix(comment.Text, "//nolint") {
					continue
				}
				words += len(word.FindAllString(comment.Text, -1))
				for _, row := range wordRows {
					for range row.words.FindAllString(comment.Text, -1) {
						hits[row.title] = append(hits[row.title], hit{s.line(comment), comment.Text})
					}
				}
			}
		}
	}
	return words, hits
}

// languageBreaches returns a report for each row that is outside of its limits.
func languageBreaches(tree []source) (breaches []string) {
	words, hits := measure(tree)
	for _, row := range wordRows {
		rate := 10000 * float64(len(hits[row.title])) / float64(max(words, 1))
		switch {
		case rate > row.most:
			breaches = append(breaches, fmt.Sprintf("%s: %.1f per 10,000 words of comments, at most %.1f. docs/GLOSSARY.md has the field's words.%s",
				row.title, rate, row.most, list(hits[row.title])))
		case rate < row.least:
			breaches = append(breaches, fmt.Sprintf("%s: %.1f per 10,000 words of comments, at least %.1f", row.title, rate, row.least))
		}
	}
	return breaches
}

func list(hits []hit) string {
	var b strings.Builder
	for _, h := range hits {
		fmt.Fprintf(&b, "\n  %s: %s", h.place, h.text)
	}
	return b.String()
}

// nameBreaches returns a report for each file name and each declared name that contains
// a private word.
func nameBreaches(tree []source) (breaches []string) {
	for _, s := range tree {
		for _, word := range wordsOf(strings.TrimSuffix(path.Base(s.name), ".go")) {
			if slices.Contains(privateNames, word) {
				breaches = append(breaches, fmt.Sprintf("%s: the file's name contains %q: docs/GLOSSARY.md has the field's word", s.name, word))
			}
		}
		for _, id := range declaredNames(s.file) {
			if _, allowed := allowedNames[id.Name]; allowed || strings.Contains(strings.ToLower(id.Name), "deadletter") {
				continue
			}
			for _, word := range wordsOf(id.Name) {
				if slices.Contains(privateNames, word) {
					breaches = append(breaches, fmt.Sprintf("%s: %s contains %q: docs/GLOSSARY.md has the field's word", s.line(id), id.Name, word))
				}
			}
		}
	}
	return breaches
}

// declaredNames returns the identifiers that a file declares anywhere: constants,
// variables (those of a range included), types, functions, fields, parameters.
func declaredNames(file *ast.File) (names []*ast.Ident) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch d := n.(type) {
		case *ast.FuncDecl:
			names = append(names, d.Name)
		case *ast.TypeSpec:
			names = append(names, d.Name)
		case *ast.ValueSpec:
			names = append(names, d.Names...)
		case *ast.Field:
			names = append(names, d.Names...)
		case *ast.AssignStmt:
			for _, left := range d.Lhs {
				if id, ok := left.(*ast.Ident); ok && d.Tok == token.DEFINE {
					names = append(names, id)
				}
			}
		case *ast.RangeStmt:
			for _, left := range []ast.Expr{d.Key, d.Value} {
				if id, ok := left.(*ast.Ident); ok && d.Tok == token.DEFINE {
					names = append(names, id)
				}
			}
		}
		return true
	})
	return names
}

// wordsOf splits an identifier: "errHTTPClosed_x" is err, http, closed, x.
func wordsOf(name string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		begins := unicode.IsUpper(r) && (i > 0 && !unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins || !unicode.IsLetter(r) {
			flush()
		}
		if unicode.IsLetter(r) {
			word.WriteRune(r)
		}
	}
	flush()
	return words
}

func TestTheLanguageIsTheFieldsOwn(t *testing.T) {
	t.Parallel()
	tree, err := parseTree(os.DirFS("."))
	require.NoError(t, err)
	require.Empty(t, strings.Join(append(languageBreaches(tree), nameBreaches(tree)...), "\n"))
}

// parsed returns one file as a tree.
func parsed(t *testing.T, text string) []source {
	t.Helper()
	tree, err := parseTree(fstest.MapFS{"patterns/outbox/outbox.go": {Data: []byte(text)}})
	require.NoError(t, err)
	return tree
}

func TestAPlainTextPasses(t *testing.T) {
	t.Parallel()
	tree := parsed(t, `// Package outbox publishes events.
package outbox

// Relay returns the worker that publishes the events. A dead letter stays until it is replayed.
func Relay() { deadLetters := 1; _ = deadLetters }
`)
	require.Empty(t, languageBreaches(tree))
	require.Empty(t, nameBreaches(tree))
}

func TestAPrivateLanguageFails(t *testing.T) {
	t.Parallel()
	tree := parsed(t, `// Package outbox says what is to be said.
package outbox

// Ring gives the bell a ring, that whoever hears it may look anew. It can not wait.
func Ring(theDoorBell int) { saidTwice := 1; _ = saidTwice }
`)
	breaches := strings.Join(languageBreaches(tree), "\n")
	for _, row := range wordRows {
		require.Contains(t, breaches, row.title)
	}
	require.Contains(t, breaches, "patterns/outbox/outbox.go:4: // Ring gives the bell a ring")
	require.Equal(t, []string{
		`patterns/outbox/outbox.go:5: theDoorBell contains "door": docs/GLOSSARY.md has the field's word`,
		`patterns/outbox/outbox.go:5: theDoorBell contains "bell": docs/GLOSSARY.md has the field's word`,
		`patterns/outbox/outbox.go:5: saidTwice contains "said": docs/GLOSSARY.md has the field's word`,
	}, nameBreaches(tree))
}

func TestAPrivateFileNameOrLoopVariableFails(t *testing.T) {
	t.Parallel()
	tree, err := parseTree(fstest.MapFS{"patterns/inbox/reactions.go": {Data: []byte("package inbox\nfunc f() { for said := range 3 { _ = said } }")}})
	require.NoError(t, err)
	require.Equal(t, []string{
		`patterns/inbox/reactions.go: the file's name contains "reactions": docs/GLOSSARY.md has the field's word`,
		`patterns/inbox/reactions.go:2: said contains "said": docs/GLOSSARY.md has the field's word`,
	}, nameBreaches(tree))
}
