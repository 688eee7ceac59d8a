package troupe

import (
	"fmt"
	"go/ast"
	"slices"
)

// foldsWords lists the files that fold words of people rather than names of protocols,
// and why no name becomes another's by that.
var foldsWords = map[string]string{
	"services/users/internal/password/policy.go":        "compares a password with words; no password is changed by it",
	"services/users/internal/password/leaked/leaked.go": "likewise",
	"services/notifications/internal/store/mails.go":    "searches mails for words, and for the operator alone",
}

// folding are the functions whose result is ASCII for some letters that are not.
var folding = map[string][]string{
	"strings": {"ToLower", "ToUpper", "ToTitle", "EqualFold", "Title"},
	"bytes":   {"ToLower", "ToUpper", "ToTitle", "EqualFold", "Title"},
}

// caseIsFoldedByASCII finds the product code that folds the case of all letters. An
// e-mail address with a Kelvin sign became that of another person by it.
func caseIsFoldedByASCII(tree []source) (breaches []string) {
	for _, s := range tree {
		if _, allowed := foldsWords[s.name]; allowed || !s.product() || top(s.dir) == "docs" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if from, ok := call.X.(*ast.Ident); ok && slices.Contains(folding[from.Name], call.Sel.Name) {
				breaches = append(breaches, fmt.Sprintf("%s calls %s.%s, which makes k of the Kelvin sign: use platform/ascii",
					s.line(n), from.Name, call.Sel.Name))
			}
			return true
		})
	}
	return breaches
}
