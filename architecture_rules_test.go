package troupe

import (
	"maps"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// house is a small tree that keeps every rule.
var house = map[string]string{
	"platform/fault/fault.go":    "// Package fault is documented.\npackage fault",
	"patterns/outbox/outbox.go":  "// Package outbox is documented.\npackage outbox\nimport \"troupe/platform/fault\"",
	"app/app.go":                 "// Package app is documented.\npackage app\nimport \"troupe/patterns/outbox\"",
	"app/servicetest/run.go":     "// Package servicetest is documented.\npackage servicetest\nimport \"troupe/app\"",
	"events/events.go":           "// Package events is documented.\npackage events",
	"client/client.go":           "// Package client is documented.\npackage client",
	"services/orders/orders.go":  "// Package orders is documented.\npackage orders\nimport \"troupe/events\"\nvar Service = 1\nfunc (s service) Exported() {}",
	"services/users/users.go":    "// Package users is documented.\npackage users\nimport \"troupe/app\"\nvar Service = 1",
	"services/services.go":       "// Package services is documented.\npackage services\nimport \"troupe/services/orders\"",
	"services/users/api_test.go": "package users\nimport \"troupe/app/servicetest\"\nfunc TestX() {}",
	"cmd/troupe/main.go":         "// Command troupe is documented.\npackage main\nimport \"troupe/client\"",
	"cmd/simulate/main.go":       "// Command simulate is documented.\npackage main\nimport \"troupe/test/simulation\"",
	"test/simulation/sim.go":     "// Package simulation is documented.\npackage simulation\nimport \"troupe/events\"",
	"bench/main.go":              "// Command bench is documented.\npackage main\nimport \"troupe/test/simulation\"",
}

// breachesOf returns the breaches of one rule in the house with these files added.
func breachesOf(t *testing.T, rule string, added map[string]string) []string {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range house {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range added {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	parsed, err := parseTree(tree)
	require.NoError(t, err)
	return rules[rule](parsed)
}

func TestASmallHouseKeepsEveryRule(t *testing.T) {
	t.Parallel()
	for rule := range rules {
		require.Empty(t, breachesOf(t, rule, nil), rule)
	}
}

// Each rule is broken on purpose at least once, and says what to do.
func TestABrokenRuleIsReported(t *testing.T) {
	t.Parallel()
	broken := map[string]struct {
		rule, file, text, want string
	}{
		"a name folded beyond ASCII": {
			"case is folded by ASCII alone", "platform/fault/code.go", "package fault\nimport \"strings\"\nfunc Code(s string) string { return strings.ToLower(s) }",
			"platform/fault/code.go:3 calls strings.ToLower, which makes k of the Kelvin sign: use platform/ascii",
		},
		"a folder without a layer": {
			"every top folder has a layer", "helpers/strings.go", "// Package helpers is documented.\npackage helpers",
			"helpers/strings.go: the folder helpers has no layer: add it to mayImport",
		},
		"platform imports the client": {
			"imports point from left to right", "platform/fault/call.go", "package fault\nimport \"troupe/client\"",
			"platform/fault/call.go imports client: platform may import nothing of ours",
		},
		"patterns import app": {
			"imports point from left to right", "patterns/outbox/start.go", "package outbox\nimport \"troupe/app\"",
			"patterns/outbox/start.go imports app: patterns may import platform",
		},
		"app knows the events": {
			"imports point from left to right", "app/events.go", "package app\nimport \"troupe/events\"",
			"app/events.go imports events: app may import patterns, platform",
		},
		"events import something": {
			"imports point from left to right", "events/money.go", "package events\nimport \"troupe/platform/fault\"",
			"events/money.go imports platform/fault: events may import nothing of ours",
		},
		"the client knows the service": {
			"imports point from left to right", "client/orders.go", "package client\nimport \"troupe/services/orders\"",
			"client/orders.go imports services/orders: client may import platform",
		},
		"one service imports another": {
			"services do not know each other", "services/orders/users.go", "package orders\nimport \"troupe/services/users\"",
			"services/orders/users.go imports services/users: services communicate by events and HTTP",
		},
		"a service imports the registry": {
			"services do not know each other", "services/orders/all.go", "package orders\nimport \"troupe/services\"",
			"services/orders/all.go imports services: services communicate",
		},
		"a service imports a test": {
			"product code imports no tests", "services/orders/sim.go", "package orders\nimport \"troupe/test/simulation\"",
			"services/orders/sim.go imports test/simulation: product code must not contain test code",
		},
		"a pattern imports a test helper": {
			"product code imports no tests", "patterns/outbox/db.go", "package outbox\nimport \"troupe/platform/sqldb/sqldbtest\"",
			"patterns/outbox/db.go imports platform/sqldb/sqldbtest",
		},
		"the operator's command links the simulation": {
			"product code imports no tests", "cmd/troupe/simulate.go", "package main\nimport \"troupe/test/simulation\"",
			"cmd/troupe/simulate.go imports test/simulation",
		},
		"a service exports a function": {
			"a service exports only its Service", "services/orders/all.go", "package orders\nfunc Everything() {}",
			"services/orders/all.go exports Everything: a service exports Service and nothing else",
		},
		"a service exports a type": {
			"a service exports only its Service", "services/orders/type.go", "package orders\ntype Helper struct{}",
			"services/orders/type.go exports Helper",
		},
		"a service without a Service": {
			"a service exports only its Service", "services/returns/returns.go", "// Package returns is documented.\npackage returns",
			"services/returns does not export Service",
		},
		"a third party elsewhere": {
			"a third party has one home", "services/orders/db.go", "package orders\nimport \"github.com/jackc/pgx/v5/pgxpool\"",
			"services/orders/db.go imports github.com/jackc/pgx/v5/pgxpool: only platform/sqldb",
		},
		"a test library in the product": {
			"a third party without a home is for tests", "services/orders/must.go", "package orders\nimport \"github.com/stretchr/testify/require\"",
			"services/orders/must.go imports github.com/stretchr/testify/require: only tests may; if the product needs it, give it a home",
		},
		"a service with a public package": {
			"a service keeps its packages internal", "services/orders/price/price.go", "package price",
			"services/orders/price/price.go is visible outside of orders: move it to services/orders/internal/",
		},
		"a package without a comment": {
			"every package has a documentation string", "patterns/saga/saga.go", "package saga",
			"patterns/saga has no package comment",
		},
	}
	untested := maps.Clone(rules)
	for title, b := range broken {
		delete(untested, b.rule)
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			breaches := breachesOf(t, b.rule, map[string]string{b.file: b.text})
			require.Len(t, breaches, 1)
			require.Contains(t, breaches[0], b.want)
		})
	}
	require.Empty(t, untested, "no case breaks these rules")
}
