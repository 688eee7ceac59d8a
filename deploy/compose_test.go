// Package deploy_test checks the deployment files against the code that they run:
// compose.yaml as Docker Compose itself reads it, the Dockerfile, the script for the
// databases on a real PostgreSQL, and the Kubernetes manifests.
package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/services"
)

var servers = []string{"postgres", "rabbitmq", "mailpit", "jaeger"}

// servicePort returns the port that a service listens on by itself.
func servicePort(s app.Service) string { return strconv.Itoa(s.Port) }

// withDatabase returns the names of the services that own a database.
func withDatabase() []string {
	var names []string
	for _, s := range services.All {
		if s.Migrations != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// withoutConsole returns the services that have a database, other than the console.
func withoutConsole() []string {
	return slices.DeleteFunc(withDatabase(), func(name string) bool { return name == "console" })
}

// compose loads compose.yaml as Docker Compose does, with these variables set.
func compose(t *testing.T, variables ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv(variables), cli.WithProfiles([]string{"*"}))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func environment(s types.ServiceConfig) map[string]string {
	values := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			values[name] = *value
		}
	}
	return values
}

func TestComposeRunsTheWholeSystem(t *testing.T) {
	t.Parallel()
	want := append(services.Names(), servers...)
	require.ElementsMatch(t, append(want, "troupe"), compose(t).ServiceNames())
}

func TestOnlyTheGatewayAndTheConsolesArePublished(t *testing.T) {
	t.Parallel()
	var published []string
	for name, s := range compose(t).Services {
		for _, p := range s.Ports {
			published = append(published, fmt.Sprintf("%s %s:%s", name, p.HostIP, p.Published))
		}
	}
	require.ElementsMatch(t, []string{
		"gateway 127.0.0.1:8000", "rabbitmq 127.0.0.1:15672", "mailpit 127.0.0.1:8025", "jaeger 127.0.0.1:16686",
	}, published)
}

func TestTheGatewayReachesNeitherDatabaseNorBroker(t *testing.T) {
	t.Parallel()
	project := compose(t)
	for _, server := range []string{"postgres", "rabbitmq"} {
		for network := range project.Services[server].Networks {
			require.NotContains(t, project.Services["gateway"].Networks, network)
		}
	}
	for _, name := range append(withDatabase(), "postgres") {
		if name == "notifications" {
			continue // the mail server may be anywhere
		}
		for network := range project.Services[name].Networks {
			require.True(t, project.Networks[network].Internal, "%s has no business outside, but %s leads there", name, network)
		}
	}
}

func TestEveryContainerHasAHealthCheckLimitsAndARestartPolicy(t *testing.T) {
	t.Parallel()
	for name, s := range compose(t).Services {
		limits := s.Deploy.Resources.Limits
		require.Positive(t, limits.MemoryBytes, name)
		require.Positive(t, limits.NanoCPUs, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, name)
		require.Equal(t, "json-file", s.Logging.Driver, name)
		require.NotEmpty(t, s.Logging.Options["max-size"], name)
		if slices.Contains(s.Profiles, "operator") {
			continue // a command, not a server
		}
		require.Equal(t, "unless-stopped", s.Restart, name)
		require.False(t, s.HealthCheck.Disable, name)
		require.NotEmpty(t, s.HealthCheck.Test, name)
	}
}

var pinned = regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$`)

func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	for _, name := range servers {
		require.Regexp(t, pinned, compose(t).Services[name].Image)
	}
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	var bases []string
	for _, m := range regexp.MustCompile(`(?m)^FROM (?:--\S+ )?(\S+)`).FindAllStringSubmatch(string(dockerfile), -1) {
		bases = append(bases, m[1])
	}
	require.Len(t, bases, 2)
	require.Regexp(t, pinned, bases[0])
	require.Equal(t, "scratch", bases[1])
	require.Regexp(t, `(?m)^USER \d+:\d+$`, string(dockerfile))
}

func TestAServiceCanRunInSeveralReplicas(t *testing.T) {
	t.Parallel()
	for _, name := range services.Names() {
		s := compose(t).Services[name]
		require.Equal(t, name, *s.Build.Args["SERVICE"])
		require.True(t, s.ReadOnly, name)
		require.Empty(t, s.Volumes, name)
		require.Empty(t, s.ContainerName, "%s: two containers cannot share a name", name)
		if name != "gateway" {
			require.Empty(t, s.Ports, "%s: two containers cannot share a port of the host", name)
		}
	}
}

func TestAServiceHasAHealthCheckAndTimeToDrain(t *testing.T) {
	t.Parallel()
	for _, service := range services.All {
		name, port := service.Name, servicePort(service)
		s := compose(t).Services[name]
		environ := environment(s)
		require.Equal(t, ":"+port, service.ListenAddress(environ))
		require.Equal(t, types.HealthCheckTest{"CMD", "/service", "health"}, s.HealthCheck.Test)
		drain, err := time.ParseDuration(environ["DRAIN_TIMEOUT"])
		require.NoError(t, err)
		require.Greater(t, time.Duration(*s.StopGracePeriod), drain, name)
		for _, peer := range services.All {
			other, port := peer.Name, servicePort(peer)
			if at, ok := environ[strings.ToUpper(other)+"_URL"]; ok {
				require.Equal(t, "http://"+other+":"+port, at, name)
			}
		}
	}
}

func TestServicesStartInOrderOfHealth(t *testing.T) {
	t.Parallel()
	project := compose(t)
	waitsFor := func(name string) []string {
		var names []string
		for other, dependency := range project.Services[name].DependsOn {
			require.Equal(t, types.ServiceConditionHealthy, dependency.Condition)
			names = append(names, other)
		}
		return names
	}
	require.ElementsMatch(t, withoutConsole(), waitsFor("gateway"), "nothing waits for the console")
	for _, name := range withDatabase() {
		require.ElementsMatch(t, []string{"postgres", "rabbitmq"}, waitsFor(name))
	}
}

// settings returns the variables that docs/SETTINGS.md, generated from the code, lists
// under a heading.
func settings(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/SETTINGS.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n") // a service may have no settings
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		names = append(names, m[1])
	}
	return names
}

// known returns the variables that a service reads.
func known(t *testing.T, service string) []string {
	t.Helper()
	names := settings(t, "Every process")
	require.NotEmpty(t, names)
	names = append(names, settings(t, service)...)
	names = append(names, strings.ToUpper(service)+"_LISTEN", "OTEL_EXPORTER_OTLP_ENDPOINT", "GOMEMLIMIT", "GOGC")
	for _, other := range services.Names() {
		names = append(names, strings.ToUpper(other)+"_URL")
	}
	return names
}

func TestEveryVariableIsOneThatTheServiceReads(t *testing.T) {
	t.Parallel()
	for _, name := range services.Names() {
		given := environment(compose(t).Services[name])
		require.Subset(t, known(t, name), slices.Collect(maps.Keys(given)), name)
	}
}

// secrets returns all passwords in the environment of a service, by where they are.
func secrets(s types.ServiceConfig) map[string]string {
	found := map[string]string{}
	for name, value := range environment(s) {
		if strings.HasSuffix(name, "_PASSWORD") {
			found[name] = value
		}
		if at, err := url.Parse(value); err == nil && at.User != nil {
			found[name], _ = at.User.Password()
		}
	}
	return found
}

// passwords returns the variables with which an operator replaces the passwords.
func passwords() []string {
	names := []string{"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "USERS_ADMIN_PASSWORD"}
	for _, name := range withDatabase() {
		names = append(names, strings.ToUpper(name)+"_DATABASE_PASSWORD", strings.ToUpper(name)+"_RABBITMQ_PASSWORD")
	}
	return names
}

func TestEveryPasswordIsForDevelopmentAndCanBeReplaced(t *testing.T) {
	t.Parallel()
	found := 0
	for name, s := range compose(t).Services {
		for where, secret := range secrets(s) {
			require.Regexp(t, "-development-only$", secret, "%s %s", name, where)
			found++
		}
	}
	require.Greater(t, found, len(passwords()))

	var own []string
	for i, name := range passwords() {
		own = append(own, fmt.Sprintf("%s=s3cret%d", name, i))
	}
	replaced, err := json.Marshal(compose(t, own...))
	require.NoError(t, err)
	require.NotContains(t, string(replaced), "development-only")
}

func TestEveryServiceHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	project := compose(t)
	server := environment(project.Services["postgres"])
	require.ElementsMatch(t, withDatabase(), strings.Fields(server["SERVICES"]))
	for _, name := range withDatabase() {
		at, err := url.Parse(environment(project.Services[name])["DATABASE_URL"])
		require.NoError(t, err)
		password, _ := at.User.Password()
		require.Equal(t, name, at.User.Username())
		require.Equal(t, "/"+name, at.Path)
		require.Equal(t, server[strings.ToUpper(name)+"_DATABASE_PASSWORD"], password)
	}
}

func TestInProductionNoServiceStartsWithADevelopmentPassword(t *testing.T) {
	t.Parallel()
	project := compose(t, "TROUPE_ENV=production")
	for _, name := range withDatabase() {
		environ := environment(project.Services[name])
		_, err := app.Start(t.Context(), app.Config{Environ: environ})
		require.ErrorContains(t, err, "DATABASE_URL contains a password that is published", name)
		environ["DATABASE_URL"] = "postgres://orders:own@postgres/orders"
		_, err = app.Start(t.Context(), app.Config{Environ: environ})
		require.ErrorContains(t, err, "AMQP_URL contains a password that is published", name)
	}
}

// begin runs the entrypoint of a server as its container does, up to the point where it
// calls the entrypoint of the image.
func begin(t *testing.T, s types.ServiceConfig) (string, error) {
	t.Helper()
	require.Equal(t, types.ShellCommand{"sh", "/refuse-known-passwords.sh"}, s.Entrypoint[:2])
	require.Equal(t, "docker-entrypoint.sh", s.Entrypoint[len(s.Entrypoint)-1])
	require.NotEmpty(t, s.Command, "an entrypoint of ours makes the image forget its command")
	var script string
	for _, v := range s.Volumes {
		if v.Target == s.Entrypoint[1] {
			script = v.Source
		}
	}
	command := exec.CommandContext(t.Context(), "sh", script, "echo", "started")
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range environment(s) {
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	return string(output), err
}

// A server that has started once has stored its password in its volume.
func TestInProductionNoServerStartsWithADevelopmentPassword(t *testing.T) {
	t.Parallel()
	holds := map[string][]string{}
	for _, name := range passwords() {
		switch {
		case name == "POSTGRES_PASSWORD", strings.HasSuffix(name, "_DATABASE_PASSWORD"):
			holds["postgres"] = append(holds["postgres"], name)
		case strings.HasSuffix(name, "RABBITMQ_PASSWORD"):
			holds["rabbitmq"] = append(holds["rabbitmq"], name)
		}
	}
	for server, names := range holds {
		own := []string{"TROUPE_ENV=production"}
		for _, name := range names {
			own = append(own, name+"=s3cret")
		}
		output, err := begin(t, compose(t, own...).Services[server])
		require.NoError(t, err, output)
		require.Equal(t, "started\n", output)
		for _, name := range names {
			all := slices.DeleteFunc(slices.Clone(own), func(one string) bool { return one == name+"=s3cret" })
			output, err := begin(t, compose(t, all...).Services[server])
			require.Error(t, err, name)
			require.Equal(t, "The passwords in "+name+" are published with this project: choose your own for production in .env; see deploy/README.md\n", output)
		}
		output, err = begin(t, compose(t).Services[server])
		require.NoError(t, err, "in development nobody minds: %s", output)
	}
}

const (
	maxConnections = 200 // of compose.yaml, and of the server that deploy/README.md asks for
	forSuperusers  = 3   // of these, the default of superuser_reserved_connections
	forMigrations  = 1   // in addition to the pool of a replica, while it migrates
)

// poolOf returns the most connections that a replica with this database URL opens.
func poolOf(t *testing.T, databaseURL string) int {
	t.Helper()
	_, query, _ := strings.Cut(databaseURL, "?")
	parameters, err := url.ParseQuery(query)
	require.NoError(t, err)
	pool, err := strconv.Atoi(parameters.Get("pool_max_conns"))
	require.NoError(t, err, "the URL says no pool_max_conns")
	return pool
}

func TestPostgresHasConnectionsForTwoReplicasOfEveryService(t *testing.T) {
	t.Parallel()
	project := compose(t)
	require.Equal(t, types.ShellCommand{"postgres", "-c", "max_connections=" + strconv.Itoa(maxConnections)}, project.Services["postgres"].Command)
	taken := 0
	for _, name := range withDatabase() {
		taken += 2 * (poolOf(t, environment(project.Services[name])["DATABASE_URL"]) + forMigrations)
	}
	require.LessOrEqual(t, taken, maxConnections-forSuperusers)
}
