# situlab: `make` lists the targets. The two that matter: make demo, make test.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
export CGO_ENABLED = 0

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: setup
setup: ## install what the host lacks (Debian packages)
	@bash .ci/setup

.PHONY: build
build: ## build the programs into bin/
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ ./cmd/situlab ./cmd/situlab-cni ./cmd/situ ./cmd/vulcain

.PHONY: image
image: setup build ## build the node image (once; the store keeps it)
	$(BIN)/situlab image build

.PHONY: demo
demo: image ## the main job, end to end, with the scripted reference candidate
	$(BIN)/situlab doctor
	@bash .ci/demo $(BIN)

.PHONY: run
run: image ## play lost-connectivity yourself
	$(BIN)/situlab run lost-connectivity

.PHONY: test
test: image ## CI's part (at most 60 minutes)
	@bash .ci/test ci

.PHONY: test-all
test-all: image ## everything
	@bash .ci/test all

.PHONY: bench
bench: image ## figures, beside Docker Compose and Mininet (BENCH="-n 1 -sections up" for a part)
	@bash .ci/bench $(BENCH)

# The linter is built from its source, always of this version: the first time
# takes about two minutes on 2 cores, then it comes from Go's cache.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: lint
lint: ## gofmt, go vet and golangci-lint (LINT=quick leaves the last out)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	$(if $(filter quick,$(LINT)),@echo "not run: golangci-lint",go run $(GOLANGCI) run)

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each
	@bash .ci/fuzz $(or $(FUZZTIME),30s)

.PHONY: clean
clean: ## remove what was built here (the store stays)
	rm -rf $(BIN)
