package notifications_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// faultOf returns the failure of a column of the table in docs/MAIL.md.
func faultOf(column string) smtptest.Fault {
	return map[string]smtptest.Fault{
		"4xx": {Code: 451}, "5xx": {Code: 550}, "connection lost": {}, "no reply": {Stall: true},
	}[column]
}

// documentedStates returns the cells of the table in docs/MAIL.md, by phase and failure.
func documentedStates(t *testing.T) map[delivery.Phase]map[string]string {
	t.Helper()
	document, err := os.ReadFile("../../docs/MAIL.md")
	require.NoError(t, err)
	table := regexp.MustCompile(`(?s)\| phase \| .*?\n\n`).FindString(string(document))
	cells := func(line string) (texts []string) {
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			texts = append(texts, strings.TrimSpace(cell))
		}
		return texts
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := cells(lines[0])
	states := map[delivery.Phase]map[string]string{}
	for _, line := range lines[2:] {
		row := cells(line)
		states[delivery.Phase(row[0])] = map[string]string{}
		for i, state := range row[1:] {
			states[delivery.Phase(row[0])][columns[i+1]] = state
		}
	}
	return states
}

// longOrder is an order whose mail does not fit into the buffers of a connection, so that
// a failure in the middle of it is noticed before its end.
func longOrder() events.OrderCreated {
	o := created
	o.Lines = nil
	for range 500 {
		o.Lines = append(o.Lines, events.OrderLine{SKU: "mug", Name: strings.Repeat("a long name ", 800), Quantity: 1, UnitPrice: events.Money{Amount: 1, Currency: "EUR"}})
	}
	return o
}

func TestEachFailureOfAServerEndsInItsDocumentedState(t *testing.T) {
	documented := documentedStates(t)
	require.Len(t, documented, 6)
	for phase, row := range documented {
		require.Len(t, row, 4, phase)
		for column, want := range row {
			t.Run(string(phase)+" "+column, func(t *testing.T) {
				runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
					h.Consumes(t, adaRegistered)
					fault := faultOf(column)
					fault.At = phase
					server.Fail(fault)
					if phase == delivery.Connect {
						server.Fail(fault) // to EHLO, and to HELO after it
					}
					if phase == delivery.Body {
						h.Consumes(t, longOrder())
					} else {
						h.Consumes(t, created)
					}
					_, got := state(t, h, "order.created")
					require.Equal(t, want, got)
					require.Len(t, server.Mails(), 1, "only the first mail has been accepted")

					server.ClearFaults()
					h.Advance(time.Hour)
					h.Settle(t)
					_, got = state(t, h, "order.created")
					require.Equal(t, map[string]string{"deferred": "sent", "unknown": "sent", "rejected": "rejected"}[want], got)
				}, servicetest.Setting("NOTIFICATIONS_SMTP_TIMEOUT", timeoutFor(phase, column)))
			})
		}
	}
}

// timeoutFor returns the time that a server has: little if it is not to reply, but enough
// for the mail.
func timeoutFor(phase delivery.Phase, column string) string {
	switch {
	case column != "no reply":
		return "5m"
	case phase == delivery.Body:
		return "20s"
	}
	return "250ms"
}
