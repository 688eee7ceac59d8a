.DEFAULT_GOAL := help
GO ?= go
LINT = $(GO) tool -modfile=tools/go.mod golangci-lint

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

run: ## Run the whole system in one process
	$(GO) run ./cmd/troupe up

test: ## Run every test that needs nothing but Go
	$(GO) test ./...

test-all: ## Run every test on both databases and both buses, with the race detector (Debian packages)
	scripts/servers install && scripts/servers start
	eval "$$(scripts/servers env)" && $(GO) test -race ./...

lint: ## Run the linters
	$(LINT) run ./...

fmt: ## Format
	$(LINT) fmt ./...

generate: ## Write the generated documents
	$(GO) run ./docs/generate
	$(GO) -C tools/console run .
	$(GO) test ./services -run TestTheDocumentsBuiltIntoTheGatewayAreCurrent -update
	if [ -e services/gateway/testdata ]; then $(GO) test ./services/gateway -run TestOperationIDsAreThoseOfTheList -update; fi
	if [ -e docs/METRICS.md ]; then $(GO) test ./deploy -run TestTheDocumentOfTheMetricsIsCurrent -update; fi

verify: generate ## Fail if a generated document is stale
	git diff --exit-code -- docs deploy/rabbitmq events services/gateway/internal/catalogue services/gateway/internal/openapi/documents services/gateway/testdata services/console/internal/ui/dist go.mod go.sum

bench: ## Measure: orders per second, CPU per order, memory
	$(GO) run ./bench

vulnerabilities: ## Look for known vulnerabilities in what the code calls
	scripts/vulnerabilities

simulate: ## Simulate 100 runs of the whole system under faults
	$(GO) run ./cmd/simulate

soak: ## Place 10,000 orders while processes are killed
	$(GO) run ./test/soak -orders 10000 -shape one-process

check: ## Run what CI runs
	.ci/run

.PHONY: help run test test-all lint fmt generate verify bench vulnerabilities simulate soak check
