package notifications

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/content"
)

// templatesWith returns a copy of the built-in templates in which one file has another
// text, or is missing if the text is empty.
func templatesWith(t *testing.T, file, text string) fs.FS {
	t.Helper()
	templates := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(content.Templates, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(content.Templates, name)
		templates[name] = &fstest.MapFile{Data: data}
		return err
	}))
	require.Contains(t, templates, file)
	delete(templates, file)
	if text != "" {
		templates[file] = &fstest.MapFile{Data: []byte(text)}
	}
	return templates
}

func TestAKindWithoutAWorkingTemplateStopsTheStart(t *testing.T) {
	t.Parallel()
	const titleAndBody = `{{define "title"}}Title{{end}}{{define "body"}}Body{{end}}`
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"no mail template":                       {"templates/de/order.paid.tmpl", "", []string{`"order.paid"`, `language "de"`, "add services/notifications/internal/content/templates/de/order.paid.tmpl"}},
		"no inbox template":                      {"templates/en/order.delivered.tmpl", "", []string{`"order.delivered"`, `language "en"`, "templates/en/order.delivered.tmpl"}},
		"no template for a new user":             {"templates/de/user.registered.tmpl", "", []string{`"user.registered"`, "templates/de/user.registered.tmpl"}},
		"no subject":                             {"templates/de/order.paid.tmpl", titleAndBody, []string{`the mail about "order.paid"`, `language "de"`, "subject", "correct services/"}},
		"a subject is not needed in an inbox":    {"templates/de/order.delivered.tmpl", titleAndBody, nil},
		"an empty title":                         {"templates/en/payment.declined.tmpl", `{{define "title"}} {{end}}{{define "body"}}Body{{end}}`, []string{`the inbox entry about "payment.declined"`, "the title is empty"}},
		"a field that does not exist":            {"templates/en/order.shipped.tmpl", `{{define "subject"}}{{.Nickname}}{{end}}` + titleAndBody, []string{`"order.shipped"`, "Nickname"}},
		"a field that does not exist, in a case": {"templates/en/order.shipped.tmpl", `{{define "subject"}}S{{if .Reason}}{{else}}{{.Nickname}}{{end}}{{end}}` + titleAndBody, []string{`"order.shipped"`, "Nickname"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			renderer, err := content.NewRenderer(templatesWith(t, c.file, c.text), "Troupe")
			require.NoError(t, err)
			err = checkTemplates(renderer)
			if c.want == nil {
				require.NoError(t, err)
			}
			for _, part := range c.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}
