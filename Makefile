# The targets that people use; CI runs .ci/run, which calls some of them.

GO ?= go

# The commit that a program is built from, for its reports; nothing if this is no checkout. The Go command stamps it into what go build
# makes, but not into what go run does, nor with -buildvcs=false, as in CI.
COMMIT = $(shell [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$(CURDIR)" ] && \
	echo $$(git rev-parse HEAD)$$([ -z "$$(git status --porcelain)" ] || echo +dirty))
SET_COMMIT = -X github.com/concordat-dev/concordat/ycsb.builtFrom=$(COMMIT)
STAMP = -ldflags "$(SET_COMMIT)"

# How the program is built that people are given, a third smaller: without what only debuggers read. Stack traces and go tool pprof need
# none of it.
LINK = -s -w
# No table is compressed with zstd here. Pebble's in C, which this leaves out, is a fifth of what there is to compile.
TAGS = pebblegozstd

.PHONY: all build test race lint plants fuzz soak kafka bench results results-quick console console-check clean

all: lint test

build: ## the program, as bin/concordat
	$(GO) build -tags $(TAGS) -ldflags "$(LINK) $(SET_COMMIT)" -o bin/concordat ./cmd/concordat

test: ## every test
	$(GO) test ./...

race: ## every test under the race detector
	$(GO) test -race ./...

lint: ## formatting, vet, staticcheck, the rules of the pure packages
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./internal/purity

plants: ## the planted bugs, each in turn; the check named for it has to fail
	$(GO) test ./internal/proof/plant -run TestPlants -count=1 -timeout 60m -v -plants all

FUZZTIME ?= 10s
fuzz: ## every fuzz target in turn, FUZZTIME each (make fuzz FUZZTIME=30s; default 10s)
	$(GO) run ./cmd/prove fuzz --go $(GO) --each $(FUZZTIME)

# What a soak tries, and where it is noted. Seeds are run a portion at a time: see Known limits in docs/GUARANTEES.md.
SEEDS ?= 20000
PORTION = 4000
POINTS ?= 300000
KILLS ?= 500
LEDGER ?= results/ledger.jsonl
prove = bin/prove

soak: ## the long proofs, some hours: each adds a line to results/ledger.jsonl
	$(GO) build $(STAMP) -o $(prove) ./cmd/prove
	for from in $$(seq 1 $(PORTION) $(SEEDS)); do \
		to=$$((from + $(PORTION) - 1)); $(prove) sim --seeds $$from-$$((to < $(SEEDS) ? to : $(SEEDS))) --ledger $(LEDGER) || exit 1; \
	done
	$(prove) sweep --seeds 1-100000 --points $(POINTS) --ledger $(LEDGER)
	$(prove) topics --seeds 1-$(SEEDS) --ledger $(LEDGER)
	$(prove) chaos --kills $(KILLS) --ledger $(LEDGER)
	$(prove) chaos --kills 10 --fills 20 --ledger $(LEDGER)
	$(prove) load --transactions 3000000 --ledger $(LEDGER)
	$(prove) load --transactions 3000000 --workload bank --ledger $(LEDGER)
	$(prove) load --transactions 1000000 --workload saga --ledger $(LEDGER)
	$(MAKE) plants
	$(prove) fuzz --each 3m --ledger $(LEDGER)

PORT ?= 9092
kafka: ## Apache Kafka on 127.0.0.1:PORT, with the topics of examples/payments, until it is interrupted; needs Java 17 and Maven
	$(GO) run ./cmd/broker --port $(PORT) orders receipts refusals

bench: ## the engine's own benchmarks
	$(GO) test ./engine -run '^$$' -bench . -benchtime 3s

results: ## all tables and pictures, about 50 minutes: written to results/, with the numbers that the texts quote; a run that was ended early goes on
	$(GO) run $(STAMP) ./cmd/results

OUT ?= results-quick
results-quick: ## the same questions in under 5 minutes, written to $(OUT); the texts stay as they are
	$(GO) run $(STAMP) ./cmd/results --quick --fresh --out $(OUT) --quote=

# npm runs no script of a package: none of those that are pinned needs one.
NPM_CI = cd server/console && npm ci --ignore-scripts --no-fund --no-audit

console: ## builds the console's files anew, with Node.js and npm; Go alone builds everything else
	$(NPM_CI) && npm run --silent build

console-check: ## the console's files are those that its sources build to
	$(NPM_CI) && npm run --silent check && node build.mjs --check

clean:
	rm -rf bin concordat concordat-compare.html results-quick
