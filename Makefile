# Nestor's house rules in one place; `make help` lists them.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  := $(shell git rev-parse --verify --quiet HEAD || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# What a local Kubernetes platform and the four engines are made of.
ENGINES  := opentofu pulumi pulumi-yaml
PLATFORM := etcd kubernetes kwok crossplane-v2 crossplane-provider-kubernetes \
            crossplane-function-patch-and-transform minio provider-minio

# What tests are run with: real servers and engines start in them, so few
# packages at a time, and no result from a cache.
TESTFLAGS ?= -count=1 -timeout=20m -p=2 -parallel=8

export PATH := $(CURDIR)/bin:$(PATH)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Fetch modules and build every pinned tool (once, minutes)
	go mod download
	tools/build
	@echo "Ready. Next: make demo, make test, make dev."

.PHONY: build
build: ## Build nestor, nestor-api and nestor-worker into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: histories
histories: ## Record the workflow histories of RELEASE (v0.1.0) anew and replay them
	@[[ "$(RELEASE)" == v* ]] || { echo "name the release: make histories RELEASE=v0.1.0"; exit 2; }
	rm -f workflows/testdata/history/$(RELEASE)/*.json
	go test -count=1 -timeout=15m -parallel=8 -skip='TestUpgrade|TestWorkerKilled' ./internal/e2e -record $(RELEASE)
	go test -count=1 -run=Replay ./workflows

.PHONY: tools
tools: ## Build the pinned tools that bin/ lacks
	tools/build

.PHONY: demo
demo: build ## From one comment line to staging and production, on this machine
	tools/build --or-path temporal opentofu provider-local
	examples/quickstart/demo

.PHONY: demo-engines
demo-engines: build ## Four engines in one graph, on a local Kubernetes and MinIO
	tools/build --or-path temporal $(ENGINES) $(PLATFORM)
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/pulumi-resource-kube ./examples/pulumi-provider
	examples/engines/demo

.PHONY: dev
dev: build ## A whole platform on this machine: API, worker, Temporal, Web UI
	tools/build --or-path temporal opentofu provider-local
	bin/nestor dev

.PHONY: test
test: build ## Every test, with the real programs; a skipped one is a failure
	tools/build temporal provider-local oapi-codegen $(ENGINES) $(PLATFORM) crossplane-v1 moto
	go vet ./...
	go test -json $(TESTFLAGS) ./... | go run ./internal/house/cmd/house tally

# Packages whose tests use no real part, which internal/parts would find.
UNIT = go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | grep -vE 'internal/(parts|testplatform|testkube)[] ]|^[^ ]*/engine/terraform ' | cut -d ' ' -f 1

.PHONY: test-unit
test-unit: ## The tests that start no server and no engine
	go test -timeout=5m $$($(UNIT))

.PHONY: check
check: ## Format, lint, determinism, generated code, headers, links
	tools/build golangci-lint workflowcheck oapi-codegen
	bin/golangci-lint fmt --diff
	bin/golangci-lint run
	bin/workflowcheck -config tools/workflowcheck/config.yaml ./workflows/...
	go mod tidy -diff
	tools/check-generated
	go run ./internal/house/cmd/house check

.PHONY: fmt
fmt: ## Format every Go file
	tools/build golangci-lint
	bin/golangci-lint fmt

.PHONY: bench
bench: build ## Measure the budgets of the design as ratios
	tools/build temporal provider-local $(ENGINES) $(PLATFORM)
	mkdir -p bin/harness bench/results
	go build -o bin/harness/chaos ./chaos/cmd/chaos
	go run ./bench/cmd/bench -json bench/results/latest.json

GRAPHS ?= 1000000
SEED   ?= 0

.PHONY: simulate
simulate: ## Walk GRAPHS random graphs from SEED in virtual time, checking every step
	go run ./orchestrator/walk/simulation/cmd/simulate -graphs $(GRAPHS) -seed $(SEED)

# Disturbances of a long run: make chaos POINTS=10000. SEED repeats one.
POINTS ?= 80

.PHONY: chaos
chaos: build ## Kill, pause and partition everything; POINTS=, SEED=
	tools/build temporal opentofu
	mkdir -p bin/harness
	go build -o bin/harness/chaos ./chaos/cmd/chaos
	bin/harness/chaos -seed $(SEED) -points $(POINTS)

# The graph and its faults: make faults FAULTS=7.
FAULTS ?= 41

.PHONY: faults
faults: ## Break every node of a graph over all engines, in each phase; FAULTS=
	tools/build temporal $(ENGINES) $(PLATFORM)
	go test -count=1 -timeout=80m -run TestFaultAtRealEngines ./internal/e2e/mixed -args -every -seed $(FAULTS)

.PHONY: clean
clean: ## Remove bin/ (built tools stay in the cache)
	rm -rf bin
