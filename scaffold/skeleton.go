package scaffold

import (
	"regexp"
	"strings"
)

// anyShop matches the name of a service of the shop.
var anyShop = "(?:" + strings.Join(shop, "|") + ")"

// anySHOP matches the beginning of a setting of the shop.
var anySHOP = "(?:ORDERS|NOTIFICATIONS|INVENTORY|PAYMENTS|CONSOLE)"

// skeletonEdits are the changes to the files that remain.
var skeletonEdits = map[string]func(string) string{
	registryFile: without(`, and then the console`, anyShop+`\.Service, `, `(?m)^\t".*/services/`+anyShop+`"\n`),
	topologyFile: topologyWithoutShop,
	routesFile:   without(`(?m)^  - \{path: .*(?:upstream: `+anyShop+`|compose: \w+).*\n`, `(?m)^  # (?:A page for development|The console).*\n`),

	"events/events_test.go": without(
		`(?m)^\t(?:Order|Payment|Stock|Product|Notification)\w*\{[^\n]+\},\n`, `(?ms)^\t(?:Order|Payment|Stock|Product|Notification)\w*\{\n.*?^\t\},\n`,
		`(?ms)^var \(\n\tprice = .*?^\)\n\n`, function("TestAMessageWithoutAnOrderIsCorrelatedByItsUser")),
	"events/golden_test.go": without(function("TestASchemaRefusesWhatNoPublisherSends"), `\n\t"strings"`),
	"services/services_test.go": without(`(?m)^// The console consumes.*\n`, `(?m)^\t"GET /console/.*\n`, ` && s\.Topology != nil`, ` \|\| s\.Name == "console"`, ` // the console's API.*`,
		`(?m)^\trequire\.(?:GreaterOrEqual\(t, checked|Greater\(t, len\(file\.Routes\)).*\n`),
	"deploy/rabbitmq_test.go": func(text string) string {
		text = strings.Replace(text, `[]string{"notifications", "orders"}`, `[]string{"`+skeletonService+`"}`, 1)
		return without(`(?m)^.*senders\["payment\.authorized.*
`)(text)
	},
	"docs_test.go":                              without(`(?m)^\trequire\.Greater\(t, total, \d+\)\n`, `, "bench/README\.md"`),
	"compose.yaml":                              composeWithoutShop,
	"deploy/kubernetes/settings.yaml":           without(`(?m)^ +` + anySHOP + `_URL: .*\n`),
	"deploy/kubernetes/kustomization.yaml":      without(`(?m)^ +- (?:` + anyShop + `\.yaml|\{name: \w+/` + anyShop + `,.*)\n`),
	"deploy/kubernetes/network.yaml":            networkWithoutShop,
	"deploy/helm/troupe/values.yaml":            without(`(?m)^  `+anyShop+`: \{.*\n`, `\b`+anyShop+`, `, `\b`+anyShop+`\b`),
	"deploy/helm/troupe/templates/network.yaml": without(` and the console`, ` \(eq \$\w+ "console"\)`),
	"deploy/README.md": without("(?s)\n`docker compose -f compose.yaml -f deploy/observability.*?docs/runbooks\\)\\.\n", ` \b(?:orders|inventory|payments|notifications)\b(?:(?: (?:orders|inventory|payments|notifications))*)`,
		`\bconsole `, `(?m)^docker compose run --rm troupe demo.*\n`, `(?m)^docker compose up --scale.*\n`, `(?m)^.*\$name !=.*SMTP_URL.*\n`),

	"cmd/troupe/main.go":        without(`(?m)^\t(?:Demo|Order|Deliveries|Notify|Load|Events|Lab|Console) +\w+Command.*\n`),
	"cmd/troupe/admin.go":       adminWithoutConsole,
	"cmd/troupe/distributed.go": without(`, console\b`),
	"cmd/troupe/up.go": without(`, console\b`, `(?m)^  console .*\n`, `(?m)^  mailbox .*\n`, `, at\("notifications"\)`, `(?m)^  Try it: .*\n`, `(?m)^  Watch it: .*\n`,
		`(?s)\tdemo := "go run.*?\n\t\}\n`, `, at\("gateway"\), demo`),
	".gitattributes": without(`(?m)^/services/console/.*\n`, `\n# Their hashes are compared\.\n`),
	"Makefile":       without(`(?m)^.*tools/console.*\n`, ` services/console/\S+`, `(?s)(?:bench|simulate|soak): ##.*?\n\n`),
	".ci/run":        without(`step "[^"]+"\nscripts/(?:h2spec|webpush|mail|webhooks|openapi|examples|alerts|console)\n\n`),

	"CONTRIBUTING.md": without(`(?m)^go test \./services/orders.*\n`, `(?m)^\[docs/GUIDE\.md\].*\n`, "`SCAFFOLD_TESTS=1.*\n",
		`(?s)2\. If it notifies customers.*?\n(3\. )`, ` In notifications\n.*`),
	"docs/generate/events.go": without(` as \[INTEGRATION\.md\]\(INTEGRATION\.md\) describes`),
	"docs/EVENTS.md":          without(` as \[INTEGRATION\.md\]\(INTEGRATION\.md\) describes`),
	"SECURITY.md":             without(`\[docs/GUARANTEES\.md\]\(docs/GUARANTEES\.md\) and `),
	"docs/SECURITY-MODEL.md":  without(`\[GUARANTEES\.md\]\(GUARANTEES\.md\), `),
	"docs/OPERATIONS.md":      without(`\n## The console\n(?:[^#\n].*\n|\n)*`, " `test\\.Test\\w+` (?:runs|does) [^.]*\\."),
	"docs/RELEASE.md":         without("(?m)^`test/upgrade`.*\n"),
	"docs/GATEWAY.md":         without(` \[TUTORIAL\.md\]\(TUTORIAL\.md\).*`),
	"docs/GLOSSARY.md":        without(` and console`, "(?m)^\\|.*`(?:services/"+anyShop+"|test|bench|loadgen).*\n"),
}

// shopTests are tests of the shop in files that remain. One that is no longer there needs
// no removal.
var shopTests = map[string]string{
	"docs/generate/schemas_test.go": "TestCompensationsAreFoundInTheServices",
}

// without returns a change that removes everything that matches.
func without(patterns ...string) func(string) string {
	return func(text string) string {
		for _, p := range patterns {
			text = regexp.MustCompile(p).ReplaceAllString(text, "")
		}
		return text
	}
}

// function returns a pattern for a function with its comment.
func function(name string) string {
	return `(?ms)(?:^//[^\n]*\n)*^func ` + name + `\(.*?^\}\n\n?`
}

// topologyWithoutShop leaves the right to ask for projections to the service of the skeleton.
func topologyWithoutShop(text string) string {
	text = regexp.MustCompile(`Requesters = \[\]string\{[^}]*\}`).ReplaceAllString(text, `Requesters = []string{"`+skeletonService+`"}`)
	return without(`(?m)^\t"`+anyShop+`": .*\n`, `(?m)^\t"(?:order|stock|product|payment|notification)\..*\n`,
		`"order\.cancelled\.v1": \{[^}]*\}`, `"`+anyShop+`", `, `"`+anyShop+`"`)(text)
}

// networkWithoutShop removes the policies of the console, and that of notifications.
func networkWithoutShop(text string) string {
	return without(`(?s)---\n# (?:The console shows|Only notifications talks).*$`,
		`(?ms)^apiVersion: \S+\nkind: \w+\nmetadata:\n  name: console\n.*?^---\n`, `, console\b`, ` and the console`, `\b`+anyShop+`, `)(text)
}

// adminWithoutConsole leaves only the admin's line in the banner.
func adminWithoutConsole(text string) string {
	text = strings.Replace(text, "c, err := operator{", "_, err := operator{", 1)
	return without(`, and\n// its session becomes[^.]*`, ` In production the link[^.]*\.`,
		`(?m)^\tconsole = .*\n`, `, console\b`, `(?ms)^\tif err == nil[^\n]*\{\n\t\tif link.*?^\t\}\n`, `(?m)^\t+(?:production\b|"strings").*\n`)(text)
}

func composeWithoutShop(text string) string {
	return without(`(?m)^  `+anyShop+`:\n(?:    .*\n)+\n`, `(?m)^ +(?:`+anySHOP+`_(?:URL|DATABASE_PASSWORD|RABBITMQ_PASSWORD)|`+anyShop+`): .*\n`,
		`\b`+anyShop+` `)(text)
}
