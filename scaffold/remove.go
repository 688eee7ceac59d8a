package scaffold

import (
	"fmt"
	"path/filepath"
	"slices"
)

// shop are the services of the example, with the console, which shows what happened to orders.
var shop = []string{"orders", "notifications", "inventory", "payments", "console"}

// skeletonService is the service that the skeleton has in their place.
const skeletonService = "hello"

// shopFiles are what only the shop needs: its services, its programs, the tests of the
// whole system, which place orders, and the documents about it.
var shopFiles = []string{
	"services/orders", "services/notifications", "services/inventory", "services/payments", "services/console",
	"cmd/orders", "cmd/notifications", "cmd/inventory", "cmd/payments", "cmd/console", "cmd/simulate",
	"cmd/troupe/deliveries.go", "cmd/troupe/demo*.go", "cmd/troupe/load*.go", "cmd/troupe/notify*.go", "cmd/troupe/order.go",
	"cmd/troupe/console.go", "cmd/troupe/lab.go", "cmd/troupe/events.go", "cmd/troupe/swimlane.go", "client/console.go",
	"cmd/troupe/*_test.go", "cmd/troupe/testdata",
	"events/orders.go", "events/notifications.go", "events/inventory.go", "events/payments.go",
	"events/*/order.*", "events/*/notification.*", "events/*/stock.*", "events/*/product.*", "events/*/payment.*",
	"deploy/metrics_test.go", "deploy/observability_test.go", observability, "docs/runbooks", "scripts/alerts",
	"deploy/kubernetes/orders.yaml", "deploy/kubernetes/notifications.yaml", "deploy/kubernetes/inventory.yaml", "deploy/kubernetes/payments.yaml",
	"deploy/kubernetes/console.yaml", "deploy/helm/troupe/ci/without-console.yaml",
	"services/users/republish_test.go", // to the consumers of the shop
	"services/gateway/*_test.go", "services/gateway/testdata", "services/gateway/internal/config/*_test.go",
	"services/gateway/internal/openapi/documents/orders.json", "services/gateway/internal/openapi/documents/notifications.json",
	"services/gateway/internal/openapi/documents/inventory.json", "services/gateway/internal/openapi/documents/payments.json",
	"scripts/h2spec", "scripts/webpush", "scripts/mail", "scripts/webhooks", "scripts/examples", "scripts/console", "tools/console",
	"scripts/openapi", "scripts/redocly.yaml", "tools/openapi",
	"test", "bench", "loadgen", "examples", "docs/pages", "docs/images", "scaffold/scaffold_test.go", "platform/treetest",
}

// keptDocuments are those that are not about the shop.
var keptDocuments = []string{
	"ARCHITECTURE.md", "DEPENDENCIES.md", "EVENTS.md", "GATEWAY.md", "GLOSSARY.md", "OPERATIONS.md", "RELEASE.md", "SECURITY-MODEL.md", "SETTINGS.md",
	"0002-outbox-without-a-cursor.md", "0004-sql-once-for-two-databases.md",
}

// RemoveExample removes the shop. What is left is a skeleton: the gateway, users, a service
// hello that a system of your own can begin with, everything that runs them, and their tests.
func (t *Tree) RemoveExample() error {
	all, err := t.services()
	if err != nil {
		return err
	}
	for _, name := range shop {
		if !slices.Contains(all, name) {
			return fmt.Errorf("there is no service %s: the example has been removed already, at least in part", name)
		}
	}
	if err := t.NewService(skeletonService); err != nil {
		return err
	}
	if err := t.removeAll(append(slices.Clip(shopFiles), "docs/*.md", "docs/adr/*.md")); err != nil {
		return err
	}
	delete(t.changed, scrapes)
	for name, change := range skeletonEdits {
		if err := t.edit(name, change); err != nil {
			return err
		}
	}
	for name, test := range shopTests {
		text, err := t.read(name)
		if err != nil {
			return err
		}
		if err := t.replace(name, []byte(without(function(test))(string(text)))); err != nil {
			return err
		}
	}
	readme, err := templates.ReadFile("templates/skeleton/README.md")
	if err != nil {
		return err
	}
	return t.replace("README.md", readme)
}

// removeAll removes the files and folders that the patterns match.
func (t *Tree) removeAll(patterns []string) error {
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(t.dir, pattern))
		if err != nil {
			return err
		}
		for _, file := range found {
			if slices.Contains(keptDocuments, filepath.Base(file)) {
				continue
			}
			name, err := filepath.Rel(t.dir, file)
			if err != nil {
				return err
			}
			t.removed = append(t.removed, name)
		}
	}
	return nil
}
