package deploy_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"troupe/services"
)

// manifest holds the fields of the Kubernetes kinds that the tests check.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Replicas int
		Selector json.RawMessage
		Ports    []struct {
			Port       int
			TargetPort string
		}
		MaxUnavailable int
		Template       struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
	}
}

type pod struct {
	EnableServiceLinks            *bool
	AutomountServiceAccountToken  *bool
	TerminationGracePeriodSeconds int
	SecurityContext               struct{ RunAsNonRoot bool }
	Containers                    []container
}

type container struct {
	Name, Image string
	Ports       []struct {
		Name          string
		ContainerPort int
	}
	EnvFrom []struct{ ConfigMapRef struct{ Name string } }
	Env     []struct {
		Name, Value string
		ValueFrom   *struct{ SecretKeyRef struct{ Name, Key string } }
	}
	StartupProbe, LivenessProbe, ReadinessProbe struct{ HTTPGet struct{ Path, Port string } }
	Resources                                   struct{ Requests, Limits map[string]string }
	SecurityContext                             struct {
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Drop []string }
	}
}

// kustomization lists the files that are applied, and their images.
type kustomization struct {
	Resources []string
	Images    []struct{ Name, NewName, NewTag string }
}

// decode decodes all documents of a YAML file. The names of fields are matched as in
// JSON, regardless of upper and lower case.
func decode[T any](t *testing.T, file string) []T {
	t.Helper()
	raw, err := os.Open(filepath.Join("kubernetes", file))
	require.NoError(t, err)
	defer raw.Close()
	var all []T
	for documents := yaml.NewDecoder(raw); ; {
		var document any
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, file)
		asJSON, err := json.Marshal(document)
		require.NoError(t, err, file)
		var one T
		require.NoError(t, json.Unmarshal(asJSON, &one), file)
		all = append(all, one)
	}
}

// manifests returns the manifests of one service, by kind.
func manifests(t *testing.T, service string) map[string]manifest {
	t.Helper()
	byKind := map[string]manifest{}
	for _, m := range decode[manifest](t, service+".yaml") {
		require.Equal(t, service, m.Metadata.Name)
		byKind[m.Kind] = m
	}
	return byKind
}

// imageOf returns the image of a service as the manifests name it.
func imageOf(name string) string { return "troupe" + "/" + name }

func settingsMap(t *testing.T) map[string]string {
	t.Helper()
	return decode[manifest](t, "settings.yaml")[0].Data
}

func TestKustomizeAppliesEveryFileAndPinsEveryImage(t *testing.T) {
	t.Parallel()
	k := decode[kustomization](t, "kustomization.yaml")[0]
	files, err := filepath.Glob("kubernetes/*.yaml")
	require.NoError(t, err)
	for i, file := range files {
		files[i] = filepath.Base(file)
	}
	require.ElementsMatch(t, files, append(k.Resources, "kustomization.yaml"))
	var images []string
	for _, image := range k.Images {
		require.Regexp(t, `^\d+\.\d+\.\d+$`, image.NewTag)
		images = append(images, image.Name)
	}
	for _, name := range services.Names() {
		require.Contains(t, images, imageOf(name))
	}
}

func TestAPodHasProbesLimitsAndARestrictedSecurityContext(t *testing.T) {
	t.Parallel()
	for _, name := range services.Names() {
		p := manifests(t, name)["Deployment"].Spec.Template.Spec
		require.Len(t, p.Containers, 1)
		c := p.Containers[0]
		require.Equal(t, imageOf(name), c.Image)
		require.Equal(t, "/livez", c.LivenessProbe.HTTPGet.Path)
		require.Equal(t, "/livez", c.StartupProbe.HTTPGet.Path)
		require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
		for _, port := range []string{c.LivenessProbe.HTTPGet.Port, c.StartupProbe.HTTPGet.Port, c.ReadinessProbe.HTTPGet.Port} {
			require.Equal(t, c.Ports[0].Name, port)
		}
		require.NotEmpty(t, c.Resources.Limits["memory"])
		require.NotEmpty(t, c.Resources.Requests["cpu"])
		require.True(t, p.SecurityContext.RunAsNonRoot)
		require.False(t, *p.AutomountServiceAccountToken)
		require.False(t, *p.EnableServiceLinks, "ORDERS_PORT and the like are not ours")
		require.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
		require.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities.Drop)
	}
}

func TestAPodHasTimeToDrain(t *testing.T) {
	t.Parallel()
	shared := settingsMap(t)
	delay, err := time.ParseDuration(shared["DRAIN_DELAY"])
	require.NoError(t, err)
	require.Positive(t, delay)
	limit, err := time.ParseDuration(shared["DRAIN_TIMEOUT"])
	require.NoError(t, err)
	for _, name := range services.Names() {
		d := manifests(t, name)["Deployment"]
		grace := time.Duration(d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		require.Greater(t, grace, delay+limit, name)
	}
}

func TestOneReplicaMayStopWhileAnotherServes(t *testing.T) {
	t.Parallel()
	for _, name := range services.Names() {
		m := manifests(t, name)
		labels := m["Deployment"].Spec.Template.Metadata.Labels
		require.Equal(t, map[string]string{"app.kubernetes.io/name": name}, labels)
		require.GreaterOrEqual(t, m["Deployment"].Spec.Replicas, 2)
		require.Equal(t, 1, m["PodDisruptionBudget"].Spec.MaxUnavailable)
		matching := `{"app.kubernetes.io/name":"` + name + `"}`
		require.JSONEq(t, matching, string(m["Service"].Spec.Selector))
		require.JSONEq(t, `{"matchLabels":`+matching+`}`, string(m["PodDisruptionBudget"].Spec.Selector))
		require.JSONEq(t, `{"matchLabels":`+matching+`}`, string(m["Deployment"].Spec.Selector))
	}
}

func TestAPodListensWhereTheOthersCallIt(t *testing.T) {
	t.Parallel()
	shared := settingsMap(t)
	for _, service := range services.All {
		name, port := service.Name, servicePort(service)
		m := manifests(t, name)
		c := m["Deployment"].Spec.Template.Spec.Containers[0]
		environ := map[string]string{}
		for _, e := range c.Env {
			environ[e.Name] = e.Value
		}
		require.Equal(t, "troupe", c.EnvFrom[0].ConfigMapRef.Name)
		require.Equal(t, ":"+port, service.ListenAddress(environ))
		require.Equal(t, port, strconv.Itoa(c.Ports[0].ContainerPort))
		require.Equal(t, port, strconv.Itoa(m["Service"].Spec.Ports[0].Port))
		require.Equal(t, c.Ports[0].Name, m["Service"].Spec.Ports[0].TargetPort)
		if name != "gateway" {
			require.Equal(t, "http://"+name+":"+port, shared[strings.ToUpper(name)+"_URL"])
		}
	}
}

func TestManifestsNameSecretsButContainNone(t *testing.T) {
	t.Parallel()
	require.Equal(t, "production", settingsMap(t)["TROUPE_ENV"])
	for _, name := range services.Names() {
		var asked []string
		for _, e := range manifests(t, name)["Deployment"].Spec.Template.Spec.Containers[0].Env {
			if e.ValueFrom == nil {
				require.NotContains(t, e.Value, "://", "%s: %s may hold a password", name, e.Name)
				continue
			}
			// The key may be the setting's former name, by which existing secrets hold it.
			require.True(t, strings.HasSuffix(e.Name, e.ValueFrom.SecretKeyRef.Key), "%s: %s", name, e.Name)
			require.Equal(t, name, e.ValueFrom.SecretKeyRef.Name, "a secret that several services can read")
			asked = append(asked, e.Name)
		}
		if name == "gateway" {
			require.Empty(t, asked)
			continue
		}
		require.Subset(t, asked, []string{"DATABASE_URL", "AMQP_URL"}, name)
	}
}

func TestEveryVariableOfAPodIsOneThatTheServiceReads(t *testing.T) {
	t.Parallel()
	for _, name := range services.Names() {
		means := known(t, name)
		for _, e := range manifests(t, name)["Deployment"].Spec.Template.Spec.Containers[0].Env {
			require.Contains(t, means, e.Name, name)
		}
		for variable := range settingsMap(t) {
			require.Contains(t, means, variable)
		}
	}
}

// During a rollout of everything each pod may run beside its successor, and pods that
// drain keep their connections. The URLs are secrets: the README creates them.
func TestPostgresHasConnectionsForARolloutOfEveryService(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	match := regexp.MustCompile(`DATABASE_URL="(postgres://[^"]+)"`).FindSubmatch(readme)
	require.NotNil(t, match)
	pool, taken := poolOf(t, string(match[1])), 0
	for _, name := range withDatabase() {
		replicas := manifests(t, name)["Deployment"].Spec.Replicas
		taken += replicas*pool + replicas*(pool+forMigrations)
	}
	require.LessOrEqual(t, taken, maxConnections-forSuperusers)
}

// The right range is known only to the person who applies the manifest: one that is too wide lets
// other pods claim any address, and one that misses the Ingress makes all clients one.
func TestNobodyRunsTheGatewayWithoutChoosingItsTrustedProxies(t *testing.T) {
	t.Parallel()
	value := ""
	for _, e := range manifests(t, "gateway")["Deployment"].Spec.Template.Spec.Containers[0].Env {
		if e.Name == "GATEWAY_TRUSTED_PROXIES" {
			value = e.Value
		}
	}
	require.NotEmpty(t, value)
	_, err := netip.ParsePrefix(value)
	require.Error(t, err, "a placeholder, with which the gateway does not start")
}

// policy holds the fields of a NetworkPolicy that the tests check.
type policy struct {
	Metadata struct{ Name string }
	Spec     struct {
		PodSelector     selector
		PolicyTypes     []string
		Ingress, Egress []struct {
			From, To []struct{ PodSelector selector }
			Ports    []struct{ Port int }
		}
	}
}

type selector struct {
	MatchLabels      map[string]string
	MatchExpressions []struct{ Values []string }
}

// names returns the names of the pods that the selector selects.
func (s selector) names() []string {
	if name := s.MatchLabels["app.kubernetes.io/name"]; name != "" {
		return []string{name}
	}
	return s.MatchExpressions[0].Values
}

func TestOnlyTheGatewayAndTheConsoleReachEveryServiceAndTheOthersReachOnlyUsers(t *testing.T) {
	t.Parallel()
	reaches := map[string][]string{} // by source, what the targets permit
	leaves := map[string]bool{}      // the pods whose destinations are limited
	for _, p := range decode[policy](t, "network.yaml") {
		for _, target := range p.Spec.PodSelector.names() {
			leaves[target] = leaves[target] || slices.Contains(p.Spec.PolicyTypes, "Egress")
			for _, rule := range p.Spec.Ingress {
				require.NotEmpty(t, rule.From, "%s: anyone", p.Metadata.Name)
				for _, from := range rule.From {
					for _, source := range from.PodSelector.names() {
						reaches[source] = append(reaches[source], target)
					}
				}
			}
		}
	}
	for _, name := range services.Names() {
		want := []string{"users"}
		switch name {
		case "gateway":
			want = withDatabase()
		case "console":
			want = withoutConsole()
		case "users":
			want = nil
		}
		require.ElementsMatch(t, want, reaches[name], name)
		require.True(t, leaves[name], "the destinations of %s are not limited", name)
	}
}
