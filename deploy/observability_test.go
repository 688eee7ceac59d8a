package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"troupe/services"
)

// ruleFile is a file of recording or alert rules of Prometheus.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

func readRules(t *testing.T, name string) (f ruleFile) {
	t.Helper()
	content, err := os.ReadFile("observability/rules/" + name)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &f))
	require.NotEmpty(t, f.Groups)
	return f
}

var (
	ourMetric = regexp.MustCompile(`(?:troupe[:_]|\b(?:messaging|db)_client_|\bmessaging_process_)[a-zA-Z0-9_:]+`)
	partOf    = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// A rule about a metric that does not exist never fires.
func TestRulesDashboardsAndRunbooksNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := exposed(t)
	for _, g := range readRules(t, "recording.yaml").Groups {
		for _, r := range g.Rules {
			known[r.Record] = &metric{name: r.Record}
		}
	}
	for _, pattern := range []string{"observability/rules/*.yaml", "observability/dashboards/*.json", "../docs/runbooks/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, name := range ourMetric.FindAllString(string(content), -1) {
				if known[name] == nil {
					name = partOf.ReplaceAllString(name, "")
				}
				require.Contains(t, known, name, "%s names a metric that no service exposes", file)
			}
		}
	}
}

// An operator who is woken by an alert finds what to do, and an alert has been seen to fire.
func TestEachAlertHasARunbookAndTwoTests(t *testing.T) {
	t.Parallel()
	var tests struct{ Tests []struct{ Name string } }
	content, err := os.ReadFile("observability/rules/tests.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &tests))
	named := map[string]bool{}
	for _, test := range tests.Tests {
		named[test.Name] = true
	}
	runbooks, err := filepath.Glob("../docs/runbooks/*.md")
	require.NoError(t, err)
	alerts := 0
	for _, g := range readRules(t, "alerts.yaml").Groups {
		for _, r := range g.Rules {
			alerts++
			require.True(t, named[r.Alert+" fires"] && named[r.Alert+" is quiet"], "%s has no firing or no quiet test in tests.yaml", r.Alert)
			require.Equal(t, "docs/runbooks/"+r.Alert+".md", r.Annotations["runbook"])
			page, err := os.ReadFile("../" + r.Annotations["runbook"])
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(page), "# "+r.Alert+"\n"))
			require.Contains(t, string(page), "`"+r.Expr+"`", "the runbook of %s shows another rule", r.Alert)
			require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"])
		}
	}
	require.Len(t, runbooks, alerts, "a runbook has no alert")
}

// Prometheus asks every service, and Grafana finds its files.
func TestTheObservabilityProfileIsComplete(t *testing.T) {
	t.Parallel()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml", "observability/compose.yaml"},
		cli.WithProfiles([]string{"observability"}), cli.WithWorkingDirectory(".."))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	for _, name := range []string{"prometheus", "grafana"} {
		s, ok := project.Services[name]
		require.True(t, ok, name)
		require.Regexp(t, `:v?\d+\.\d+\.\d+$`, s.Image)
		for _, v := range s.Volumes {
			_, err := os.Stat(v.Source)
			require.NoError(t, err, "%s mounts what does not exist", name)
		}
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP)
		}
	}
	scrapes, err := os.ReadFile("observability/prometheus.yml")
	require.NoError(t, err)
	for _, s := range services.All {
		require.Contains(t, string(scrapes), `"`+s.Name+":"+servicePort(s)+`"`)
	}
	dashboards, err := filepath.Glob("observability/dashboards/*.json")
	require.NoError(t, err)
	for _, file := range dashboards {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, json.Valid(content), file)
	}
}
