package test

import (
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/cluster"
)

// The demo shows the five ways in which an order ends, and the operator can print
// each of these orders afterwards.
func TestTheDemoShowsFiveEndings(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		shown := s.troupe(t, "demo")
		require.Contains(t, shown, "The customer was notified about all 5 orders.")
		require.Contains(t, shown, "All orders ended as they should.")
		scenarios := regexp.MustCompile(`\n\d\. `).Split(shown, -1)[1:]
		require.Len(t, scenarios, 5, "%s", shown)
		for n, want := range []struct{ title, last, end string }{
			{"An order is paid", "order.paid.v1", `paid, .*\nPaid after .*\.\n`},
			{"A card is declined", "stock.released.v1", `cancelled, .*\nCancelled after .*: the card was declined\. `},
			{"A customer orders more than is in stock", "payment.voided.v1", `cancelled, .*\nCancelled after .* out of stock`},
			{"A customer pays, then cancels", "payment.refunded.v1", `cancelled, .*\nCancelled after .*: the customer cancelled it\. .* refunded`},
			{"The payment provider times out after charging", "order.paid.v1", `paid, .*\nPaid after .*\n`},
		} {
			require.True(t, strings.HasPrefix(scenarios[n], want.title+"\n"), "%s", scenarios[n])
			require.Contains(t, scenarios[n], want.last)
			id := regexp.MustCompile(`order (\S+): `).FindStringSubmatch(scenarios[n])[1]
			s.awaitShown(t, regexp.MustCompile("order "+id+"  "+want.end), "order", id)
			s.awaitShown(t, regexp.MustCompile("publishes "+regexp.QuoteMeta(strings.TrimSuffix(want.last, ".v1"))), "order", id)
		}
		require.NotContains(t, s.troupe(t, "dead-letters", "list", "--state", "all"), ".v1", "no dead letter is left")
	})
}

// awaitShown waits until a command shows what is wanted: the console learns a moment later
// what has happened.
func (s *installation) awaitShown(t *testing.T, wanted *regexp.Regexp, command ...string) {
	t.Helper()
	var shown string
	require.Eventually(t, func() bool {
		shown = s.troupe(t, command...)
		return wanted.MatchString(shown)
	}, timeout, 20*pollInterval, "%s is not shown", wanted)
}

// While a service is repaired, its circuit is kept open, and the operator ends that.
func TestTheOperatorKeepsACircuitOpenDuringARepair(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		require.Regexp(t, `\npayments +CLOSED +no `, s.troupe(t, "breakers"))
		require.Regexp(t, `\npayments +OPEN +yes .* set to forced_open by .*: repair\n`, s.troupe(t, "breakers", "open", "payments", "--reason", "repair"))
		payments := rawRequest{method: "GET", path: "/payments", header: map[string]string{"Authorization": "Bearer " + s.admin.Token()}}
		require.Equal(t, "circuit_open", s.send(t, payments).code)
		require.Regexp(t, `\npayments +CLOSED +no `, s.troupe(t, "breakers", "auto", "payments"))
		require.Equal(t, 200, s.send(t, payments).status)
		var log struct {
			Items []struct{ Action, Target, Detail, Actor, Role string }
		}
		require.NoError(t, s.admin.Get(t.Context(), "/audit/gateway", &log))
		require.Len(t, log.Items, 2)
		require.Equal(t, "force_breaker payments auto admin", log.Items[0].Action+" "+log.Items[0].Target+" "+log.Items[0].Detail+" "+log.Items[0].Role)
		require.Equal(t, "forced_open", log.Items[1].Detail)
		require.NotEmpty(t, log.Items[1].Actor)
	})
}

// The operator causes a fault, reads what should be seen and when it ends, and follows the order.
func TestTheOperatorCausesAFault(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		require.Regexp(t, `\nbroker_away +Broker away +-\n[^~]*'troupe lab run FAULT' causes one`, s.troupe(t, "lab"))
		shown := s.troupe(t, "lab", "run", "broker_away", "--seconds", "3")
		require.Regexp(t, `order (\S+), at `+regexp.QuoteMeta(s.URL("gateway"))+`/console/orders/\S+\n +ends by itself at [0-9:]+; 'troupe lab clear' ends it at once\n`, shown)
		require.Regexp(t, `\n.*  Paid after .* only after `, shown)
		require.LessOrEqual(t, strings.Count(shown, "order.created has not reached them"), 1, "a state is printed once, however long it lasts: %s", shown)
		require.Equal(t, "no fault was active\n", s.troupe(t, "lab", "clear"))
	})
}

// A password that RabbitMQ refuses ends `up --distributed` with an error, where it
// could retry forever.
func TestUpFailsWhenRabbitMQRefusesThePassword(t *testing.T) {
	t.Parallel()
	amqp := rabbittest.At(t, rabbittest.URL(t), func(u *url.URL) { u.User = url.UserPassword("guest", "not this one") })
	database := cluster.CreateDatabase(t)
	binary, err := program()
	require.NoError(t, err)
	port, err := cluster.FreePort()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), binary, "up", "--distributed", "--ephemeral")
	command.Env = append(command.Environ(), "DATABASE_URL="+database, "AMQP_URL="+amqp, "GATEWAY_LISTEN=127.0.0.1:"+strconv.Itoa(port))
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "RabbitMQ refuses user or password: check AMQP_URL")
	require.Contains(t, string(out), "gateway did not start")
	require.NotContains(t, string(out), "another program")
}

// The operator lists what customers and other systems were sent, and decides about it.
func TestTheOperatorDecidesAboutDeliveries(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		s.newCustomer(t)
		var listed string
		require.Eventually(t, func() bool {
			listed = s.troupe(t, "deliveries", "--kind", "user.registered", "--state", "sent")
			return strings.Contains(listed, "user.registered")
		}, timeout, 50*pollInterval)
		id := regexp.MustCompile(`\n(\S+) +email +user\.registered +sent `).FindStringSubmatch(listed)[1]
		require.Contains(t, s.troupe(t, "deliveries", "show", id), "state     sent after 1 attempts")
		_, err := s.database(t, "notifications").Exec(t.Context(), "UPDATE deliveries SET state = 'rejected' WHERE id = $1", id)
		require.NoError(t, err)
		require.Contains(t, s.troupe(t, "deliveries", "retry", "--all", "rejected"), "1 deliveries are tried again")
		require.Eventually(t, func() bool {
			return strings.Contains(s.troupe(t, "deliveries", "show", id), "state     sent after 2 attempts")
		},
			timeout, 50*pollInterval)
	})
}
