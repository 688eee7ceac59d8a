package deploy_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"troupe/services"
)

// chartValues holds the values of the chart that the tests check.
type chartValues struct {
	Services map[string]struct {
		Enabled  bool
		Port     int
		Database bool
	}
	SecretSettings map[string]map[string]string
	Settings       map[string]string
}

func TestTheChartHasEveryServiceWithItsPort(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("helm/troupe/values.yaml")
	require.NoError(t, err)
	var document any
	require.NoError(t, yaml.Unmarshal(raw, &document))
	asJSON, err := json.Marshal(document)
	require.NoError(t, err)
	var values chartValues
	require.NoError(t, json.Unmarshal(asJSON, &values))
	require.Len(t, values.Services, len(services.All))
	for _, s := range services.All {
		in := values.Services[s.Name]
		require.True(t, in.Enabled, s.Name)
		require.Equal(t, s.Port, in.Port, s.Name)
		require.Equal(t, s.Migrations != nil, in.Database, s.Name)
		for setting := range values.SecretSettings[s.Name] {
			require.Contains(t, known(t, s.Name), setting)
		}
	}
}

// renderedChart is the variable with the file that scripts/helm has rendered.
const renderedChart = "RENDERED_CHART"

// The chart and the manifests are two ways to the same pods. scripts/helm renders the chart.
func TestTheChartHasWhatTheManifestsHave(t *testing.T) {
	t.Parallel()
	file := os.Getenv(renderedChart)
	if file == "" {
		t.Skipf("%s is not set: scripts/helm renders the chart and runs this test", renderedChart)
	}
	raw, err := os.Open(file)
	require.NoError(t, err)
	defer raw.Close()
	chart := map[string]map[string]manifest{} // by kind and name
	for documents := yaml.NewDecoder(raw); ; {
		var document any
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		asJSON, err := json.Marshal(document)
		require.NoError(t, err)
		var m manifest
		require.NoError(t, json.Unmarshal(asJSON, &m))
		if chart[m.Kind] == nil {
			chart[m.Kind] = map[string]manifest{}
		}
		chart[m.Kind][m.Metadata.Name] = m
	}
	require.Equal(t, settingsMap(t), chart["ConfigMap"]["troupe"].Data)
	for _, name := range services.Names() {
		plain := manifests(t, name)
		want, got := plain["Deployment"].Spec, chart["Deployment"][name].Spec
		require.Equal(t, want.Replicas, got.Replicas, name)
		require.Equal(t, withoutNames(want.Template.Spec), withoutNames(got.Template.Spec), name)
		require.Equal(t, plain["Service"].Spec.Ports, chart["Service"][name].Spec.Ports, name)
		require.Equal(t, plain["PodDisruptionBudget"].Spec.MaxUnavailable, chart["PodDisruptionBudget"][name].Spec.MaxUnavailable, name)
	}
}

// withoutNames returns the pod without what each installation chooses: the image and the
// range of its Ingress. The order of the settings has no meaning.
func withoutNames(p pod) map[string]any {
	c := p.Containers[0]
	environ := map[string]any{}
	for _, e := range c.Env {
		environ[e.Name] = [2]any{e.Value, e.ValueFrom}
		if e.Name == "GATEWAY_TRUSTED_PROXIES" {
			environ[e.Name] = "chosen"
		}
	}
	c.Image, c.Env, p.Containers = "", nil, nil
	return map[string]any{"pod": p, "container": c, "environ": environ}
}
