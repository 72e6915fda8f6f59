# Rescore. `make` alone prints what it can do.

# A laptop and CI call these names and nothing else, so they cannot disagree.
# make test needs Go and make only; git, a C compiler and linters are used
# where a target says so.

GO          ?= go
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
SUBSCRIBERS ?= 1000000
FUZZTIME    ?= 30s
FUZZ        ?= .
RUNS        ?= 200
SEEDS       ?= 2000
SEED        ?=
BENCH       ?= .
BENCHTIME   ?= 1s
PEERS       ?=
MUTANTS     ?= .
TAGS        ?=
HADOOP      ?=

# stdout belongs to data: make demo ends with one JSON object. (make -C DIR prints
# "Leaving directory" after it unless told --no-print-directory.)

include .ci/tools

.DEFAULT_GOAL := help
.PHONY: help build demo demo-cluster test vet race lint vuln fuzz hdfs e2e kill fault sim mutant scale bench bench-peers bench-job-peers golden clean

help: ## print this help
	@echo 'Rescore: score a whole subscriber base, publish one complete version.'
	@echo
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

build: ## build bin/rescore: one static binary (with git, it knows its version); TAGS=hdfs reads and writes hdfs:// too
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -tags '$(TAGS)' -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/rescore ./cmd/rescore >&2

demo: build ## synthesise SUBSCRIBERS (one million), score them, publish; ends with one JSON object
	@rm -rf .demo
	@./bin/rescore synth --out .demo/province --subscribers $(SUBSCRIBERS) --seed 1 >&2
	@./bin/rescore run .demo/province/job.yaml --output json

demo-cluster: build ## three coordinators, four workers, and a leader that is killed at work; ends with one JSON object
	@deploy/demo-cluster.sh bin/rescore .demo/cluster $(SUBSCRIBERS)

test: ## run every test that needs only Go
	$(GO) test -timeout 9m ./...

vet: ## let the compiler's friends read the code
	$(GO) vet ./...

# The pure packages start no goroutine and share no memory (cmd/internal/arch
# sees to it), so the race detector has nothing to look for in them. Nor has it
# in e2e, fault, scale and bench, which run a binary built without it, and in their rig;
# explain starts none that local does not start in its own tests.
race: ## run the tests of everything that has goroutines under the race detector (needs a C compiler)
	$(GO) test -race -short -timeout 14m $$($(GO) list ./... | grep -Ev '/(partition|job|ecdf|wire|schema|synth|ledger|plan|lease|kernel|kerneltest|lane|gen|feature|rule|score|model|attribution|program|formula|tag|rank|contest|psi|elementary|transform|event|intake|sink|source|arch|e2e|rig|fault|scale|explain|bench|capacity|chart)$$')
	$(GO) test -race -short -run 'Survey|Control|Export|Prepar|Changed' ./worker/source # where it has goroutines

lint: ## run golangci-lint, or staticcheck where that is what there is
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; \
	elif command -v staticcheck >/dev/null; then echo 'golangci-lint is not installed; staticcheck reads the code instead' >&2; staticcheck ./...; \
	else echo 'no linter is installed: $(GO) install $(GOLANGCI_LINT)' >&2; exit 1; fi

vuln: ## look for known vulnerabilities (needs the database on the network)
	@command -v govulncheck >/dev/null || { echo 'govulncheck is not installed: $(GO) install $(GOVULNCHECK)' >&2; exit 1; }
	govulncheck ./...

fuzz: ## fuzz every decoder for FUZZTIME (30s) each; FUZZ=worker/source only those
	@.ci/fuzz '$(FUZZTIME)' '$(FUZZ)'

hdfs: ## test hdfs:// against a real namenode and datanode (needs Java; Maven, or HADOOP=folder of Hadoop's client jars)
	@.ci/hdfs '$(HADOOP)'

e2e: ## run whole jobs through the real binary
	RESCORE_LONG=1 $(GO) test -count=1 -timeout 280s ./cmd/internal/e2e

kill: ## kill the real binary RUNS (200) times at random; versions must stay byte-identical
	RESCORE_KILLS=$(RUNS) $(GO) test -count=1 -timeout 60m -v -run Killed ./cmd/internal/e2e

sim: ## simulate SEEDS (2000) whole clusters; SEED=… replays one, and tells what happens
	RESCORE_SEEDS=$(SEEDS) RESCORE_SEED=$(SEED) $(GO) test -count=1 -timeout 120m -v -run TestSeeds ./cmd/internal/sim

mutant: ## plant every known mistake in turn; the simulation, or a test, must find each
	RESCORE_MUTANTS='$(MUTANTS)' $(GO) test -count=1 -timeout 30m -v ./cmd/internal/sim/mutant

fault: ## break a real cluster RUNS (200) times while jobs run on it; RESCORE_SEED=… deals the same faults
	RESCORE_FAULTS=$(RUNS) $(GO) test -count=1 -timeout 120m -v ./cmd/internal/fault

scale: ## measure what real coordinators cost under a thousand workers and a billion subscribers (10 min)
	$(GO) test -count=1 -timeout 60m ./cmd/internal/scale -partitions 10000 -workers 1000 -kills 60 -subscribers 4000000 -v
	$(GO) test -count=1 -timeout 60m -run Billion ./cmd/internal/scale -partitions 100000 -workers 1000 -v

bench: ## run the benchmarks matching BENCH (all)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# PEERS is for the harness: --work DIR, --only 100x31, --output json, --write-docs.
bench-peers: build ## time LightGBM, XGBoost and others against ours (needs Python 3.11 and a package index; PEERS=--write-docs)
	@python3 cmd/internal/peers/peers.py $(PEERS)

bench-job-peers: build ## time the whole job in DuckDB, Polars, Spark and others against ours (PEERS='--subscribers 1000000', PEERS=--write-docs)
	@python3 cmd/internal/peers/job.py $(PEERS)

# Only packages that have such a test: the others would be linked to run nothing.
golden: ## write the generated and golden files anew; read the diff before you commit it
	RESCORE_GOLDEN=write $(GO) test -count=1 -run Golden $$(grep -rl --include='*_test.go' 'func Test[A-Za-z0-9_]*Golden' . | xargs -n 1 dirname | sort -u)

clean: ## remove what make built and the demo wrote
	@rm -rf bin .demo
