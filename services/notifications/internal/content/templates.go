package content

import (
	"embed"
	"fmt"
	html "html/template"
	"io/fs"
	"path"
	"strings"
	text "text/template"
)

// Templates are the built-in templates: a folder for each language with a file for each
// kind of notice, which defines title and body and, if the kind is mailed, subject. The
// layouts arrange them into mails; labels.tmpl holds what all kinds of a language share,
// and other.tmpl is what an inbox shows for a kind that has no template. The same text
// goes through text/template for the plain part of a mail and through html/template,
// which escapes it, for the HTML part.
//
//go:embed templates
var Templates embed.FS

// folder is where the templates are in the repository, for error messages.
const folder = "services/notifications/internal/content/"

const (
	labels = "labels" // shared definitions, not a kind
	other  = "other"  // the kind that stands in for those without a template
	test   = "test"   // the kind of a mail that an operator sends to see whether it arrives
)

// kindTemplates are the parsed templates of one kind in one language.
type kindTemplates struct {
	text *text.Template
	html *html.Template
}

// parse returns the templates by language and kind.
func parse(templates fs.FS) (map[string]map[string]kindTemplates, error) {
	entries, err := fs.ReadDir(templates, "templates")
	if err != nil {
		return nil, fmt.Errorf("list languages: %w", err)
	}
	languages := map[string]map[string]kindTemplates{}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if languages[entry.Name()], err = parseLanguage(templates, entry.Name()); err != nil {
			return nil, err
		}
	}
	if languages[fallback] == nil {
		return nil, fmt.Errorf("there is no folder %stemplates/%s: add it, because unknown languages are rendered in it", folder, fallback)
	}
	return languages, nil
}

func parseLanguage(templates fs.FS, language string) (map[string]kindTemplates, error) {
	files, err := fs.ReadDir(templates, path.Join("templates", language))
	if err != nil {
		return nil, fmt.Errorf("list templates of %s: %w", language, err)
	}
	kinds := map[string]kindTemplates{}
	for _, file := range files {
		kind := strings.TrimSuffix(file.Name(), ".tmpl")
		if kind == labels {
			continue
		}
		shared, own := fileOf(language, labels), fileOf(language, kind)
		var k kindTemplates
		if k.text, err = text.ParseFS(templates, "templates/layout.txt.tmpl", shared, own); err != nil {
			return nil, fmt.Errorf("parse %s%s as text: %w", folder, own, err)
		}
		if k.html, err = html.ParseFS(templates, "templates/layout.html.tmpl", shared, own); err != nil {
			return nil, fmt.Errorf("parse %s%s as HTML: %w", folder, own, err)
		}
		kinds[kind] = k
	}
	return kinds, nil
}

// fileOf returns the file of a kind in a language.
func fileOf(language, kind string) string {
	return path.Join("templates", language, kind+".tmpl")
}
