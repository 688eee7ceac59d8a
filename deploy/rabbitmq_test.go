package deploy_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/platform/ascii"
	"troupe/services"
)

// definitions holds what the tests read of RabbitMQ's definitions.
type definitions struct {
	Users       []struct{ Name, Password, Tags string }
	Permissions []struct{ User, Configure, Write, Read string }
	Topics      []struct{ User, Exchange, Write, Read string } `json:"topic_permissions"`
	Queues      []struct{ Name string }
	Bindings    []struct {
		Source, Destination string
		RoutingKey          string `json:"routing_key"`
	}
}

func readDefinitions(t *testing.T, raw []byte) (d definitions) {
	t.Helper()
	require.NoError(t, json.Unmarshal(raw, &d))
	return d
}

// definitionsScript returns a command that runs definitions.sh with these variables.
func definitionsScript(t *testing.T, environ []string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", append([]string{"rabbitmq/definitions.sh"}, arguments...)...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	return command
}

func TestEveryServiceHasAUserOfItsOwn(t *testing.T) {
	t.Parallel()
	project := compose(t)
	var environ []string
	for name, value := range environment(project.Services["rabbitmq"]) {
		environ = append(environ, name+"="+value)
	}
	filled, err := definitionsScript(t, environ).Output()
	require.NoError(t, err)
	held := map[string]string{}
	for _, user := range readDefinitions(t, filled).Users {
		held[user.Name] = user.Password
		require.Equal(t, user.Name == "troupe", user.Tags == "administrator", user.Name)
	}
	require.Len(t, held, len(withDatabase())+1)
	for _, name := range withDatabase() {
		at, err := url.Parse(environment(project.Services[name])["AMQP_URL"])
		require.NoError(t, err)
		password, _ := at.User.Password()
		require.Equal(t, name, at.User.Username())
		require.Equal(t, held[name], password)
	}
}

// The permissions say the same as the registry and the topology: a copy of each event
// may be sent by exactly one service, and each queue is read by its own.
func TestThePermissionsAreThoseOfTheTopology(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("rabbitmq/definitions.json")
	require.NoError(t, err)
	d := readDefinitions(t, raw)
	bound := map[string]string{}
	for _, b := range d.Bindings {
		if b.Source == "troupe.events" {
			bound[b.RoutingKey] = b.Destination
		}
	}
	senders := map[string][]string{}
	public := map[string]string{}
	for _, topic := range d.Topics {
		if topic.Exchange == "troupe.events.public" {
			public[topic.User] = topic.Write
			continue
		}
		require.Equal(t, "troupe.events", topic.Exchange)
		for key := range bound {
			if regexp.MustCompile(topic.Write).MatchString(key) {
				senders[key] = append(senders[key], topic.User)
			}
		}
	}
	copies := 0
	for _, s := range services.All {
		for _, eventType := range s.Consumes() {
			key := eventType + "." + s.Name
			require.Equal(t, bus.QueueName(s.Name), bound[key])
			if eventType == "projection.requested.v1" { // of every service that keeps data of others
				require.ElementsMatch(t, []string{"notifications", "orders"}, senders[key])
			} else {
				require.Len(t, senders[key], 1, key)
			}
			copies++
		}
	}
	for _, s := range services.All {
		for _, eventType := range s.Publishes {
			require.Regexp(t, public[s.Name], eventType)
		}
		if s.Topology != nil {
			require.NotRegexp(t, public[s.Name], "order.unknown.v1")
		}
	}
	require.Len(t, bound, copies)
	require.Equal(t, []string{"payments"}, senders["payment.authorized.v1.orders"])
}

func TestAServiceReadsItsOwnQueuesOnly(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("rabbitmq/definitions.json")
	require.NoError(t, err)
	d, want := readDefinitions(t, raw), map[string][]string{}
	for _, s := range services.All {
		if len(s.Consumes()) > 0 {
			want[s.Name] = []string{bus.QueueName(s.Name), s.Name + ".dead.v1"}
		}
	}
	for _, p := range d.Permissions {
		if p.User == "troupe" {
			continue
		}
		var readable []string
		for _, q := range d.Queues {
			require.NotRegexp(t, p.Configure, q.Name)
			require.NotRegexp(t, p.Write, q.Name)
			if regexp.MustCompile(p.Read).MatchString(q.Name) {
				readable = append(readable, q.Name)
			}
		}
		for _, exchange := range []string{"troupe.dead", "amq.default", "amq.topic"} {
			require.NotRegexp(t, p.Write, exchange)
		}
		require.Regexp(t, p.Write, "troupe.events")
		require.ElementsMatch(t, want[p.User], readable, p.User)
	}
}

func TestRabbitMQStartsWithTheDefinitionsAndThePasswords(t *testing.T) {
	t.Parallel()
	rabbit := compose(t).Services["rabbitmq"]
	require.Equal(t, []string{"sh", "/definitions/definitions.sh"}, []string(rabbit.Entrypoint[2:4]))
	conf, err := os.ReadFile("rabbitmq/definitions.conf")
	require.NoError(t, err)
	require.Contains(t, string(conf), "load_definitions = /var/lib/rabbitmq/definitions.json\n")

	file := filepath.Join(t.TempDir(), "definitions.json")
	environ := []string{"DEFINITIONS_FILE=" + file}
	for _, name := range passwords() {
		environ = append(environ, name+"=own&$A")
	}
	output, err := definitionsScript(t, environ, "echo", "started").CombinedOutput()
	require.NoError(t, err, string(output))
	require.Equal(t, "started\n", string(output))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	filled, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, user := range readDefinitions(t, filled).Users {
		require.Equal(t, "own&$A", user.Password)
	}
}

func TestAUserWithoutAPasswordStopsRabbitMQ(t *testing.T) {
	t.Parallel()
	output, err := definitionsScript(t, []string{"RABBITMQ_PASSWORD=own"}, "echo", "started").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "definitions.sh: set "+ascii.Upper(withDatabase()[0])+"_RABBITMQ_PASSWORD")
	require.NotContains(t, string(output), "started")
}
