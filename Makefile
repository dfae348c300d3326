# Every command of the project. `make` alone lists them.
#
# Recipes use names relative to this directory only, so the path of the clone may hold spaces.
# PORT_OFFSET=n shifts every port and DATA_DIR=dir moves the state, so that two systems can run
# side by side; ARGS="…" is handed to the program that a target runs.

PORT_OFFSET ?= 0
DATA_DIR    ?= .data
ARGS        ?=
FUZZTIME    ?= 10s
GOLANGCI    ?= github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/unmogrowp/unmogrowp/protocol/daemon.version=$(VERSION)

# A clone that another user owns must build too; the version is stamped above.
GOFLAGS := $(GOFLAGS) -buildvcs=false

export PORT_OFFSET DATA_DIR GOFLAGS VERSION

GO_DIRS    := agent aggregator protocol deploy benchmarks console/*.go
GO_BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)"
STANDALONE := $(GO_BUILD) -o bin/standalone ./deploy/standalone && ./bin/standalone

# Packages that need no server and are done in seconds: those that -race is worth waiting for.
FAST := ./protocol/... ./console ./agent/... ./deploy/tidy \
	./aggregator/attribution/... ./aggregator/report/... ./aggregator/access/... \
	./aggregator/cluster/... ./aggregator/authority/... ./aggregator/intake/...

.DEFAULT_GOAL := help
.PHONY: help start demo stop status logs clean test test-api bench start-infra install build console \
	check lint fmt golangci release images ops drill reference race fuzz chaos powercut million sdk attack

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo '  Variables: PORT_OFFSET=n shifts every port, DATA_DIR=dir moves the state (default .data).'

start: build ## install, build and start the whole system on this machine; returns when it is ready
	@$(STANDALONE) start $(ARGS)

demo: ## send a month of sample traffic through the agent and say where to look
	@$(STANDALONE) demo $(ARGS)

stop: ## stop the system; its data stays
	@$(STANDALONE) stop $(ARGS)

status: ## show health and lag of every part; fails if one is down
	@$(STANDALONE) status $(ARGS)

logs: ## show the logs of every part
	@$(STANDALONE) logs $(ARGS)

test-api: ## call every console API route of the running system and print a table
	@$(STANDALONE) test-api $(ARGS)

start-infra: ## start only ClickHouse and Postgres
	@$(STANDALONE) infra $(ARGS)

clean: ## stop the system and delete its data and everything that was built
	@$(STANDALONE) clean $(ARGS)
	@rm -rf bin agent/sdk/web/dist
	@find console/dist -mindepth 1 ! -name placeholder.html -delete

install: console/node_modules/.package-lock.json agent/sdk/web/node_modules/.package-lock.json ## install the dependencies: Go modules, npm packages, ClickHouse, Postgres
	@go mod download
	@$(STANDALONE) install $(ARGS)

build: console ## build the agent and the aggregator into bin/
	@$(GO_BUILD) -o bin/agent ./agent
	@$(GO_BUILD) -o bin/aggregator ./aggregator

console: console/src/lib/contract.gen.d.ts console/dist/index.html ## build the web console into the aggregator's source

console/node_modules/.package-lock.json: console/package.json console/package-lock.json
	@cd console && npm ci --no-audit --no-fund --loglevel=error
	@touch console/node_modules/.package-lock.json

# The console's types are those of the API: what the server no longer answers, svelte-check finds.
console/src/lib/contract.gen.d.ts: console/node_modules/.package-lock.json \
		$(shell find aggregator protocol -name '*.go' ! -name '*_test.go' 2>/dev/null)
	@go run ./aggregator openapi >console/openapi.json
	@cd console && npm run --silent types

console/dist/index.html: console/node_modules/.package-lock.json console/index.html \
		$(wildcard console/*.ts console/*.js) $(shell find console/src -type f 2>/dev/null)
	@cd console && npm run --silent build -- --logLevel error
	@touch console/dist/index.html

agent/sdk/web/node_modules/.package-lock.json: agent/sdk/web/package.json agent/sdk/web/package-lock.json
	@cd agent/sdk/web && npm ci --no-audit --no-fund --loglevel=error
	@touch agent/sdk/web/node_modules/.package-lock.json

sdk: agent/sdk/web/node_modules/.package-lock.json ## build the SDK for websites into agent/sdk/web/dist and test it
	@cd agent/sdk/web && npm run --silent check && npm run --silent build && npm run --silent types && npm run --silent test -- --reporter=dot

test: console sdk ## run every test, including those on real ClickHouse, Postgres and a real browser
	@cd console && npm run --silent check && npm run --silent test && npm run --silent browser
	@go run ./deploy/children/withservers -- go test -timeout 12m ./... $(ARGS)

check: lint race ## what must pass before a commit: lint, svelte-check, prettier, knip, and the fast tests with -race
	@cd console && npm run --silent check && npm run --silent tidy

lint: console ## gofmt, vet, staticcheck and the house rules
	@unformatted=$$(gofmt -l $(GO_DIRS)) && if [ -n "$$unformatted" ]; then \
		echo "not gofmt-ed; run: gofmt -w $$unformatted"; exit 1; fi
	@go vet ./...
	@go run $(STATICCHECK) ./...
	@go test ./deploy/tidy ./deploy/reference

fmt: ## format the Go sources and the console's
	@gofmt -w $(GO_DIRS)

golangci: console ## the linters that take longer: errors that are dropped or compared wrongly, contexts, security
	@go run $(GOLANGCI) run ./...

release: console ## build archives, deb and rpm, checksums, bills of materials and licences into dist/
	@go run ./deploy/release -out dist -version "$(VERSION)" -revision "$$(git rev-parse HEAD)" -time "$$(git log -1 --format=%ct)" $(ARGS)

images: console ## build the container images with buildah, podman or docker
	@VERSION="$(VERSION)" deploy/docker/build $(ARGS)

ops: console ## try out packages, units, images, charts, alerts, dashboards and proxies with the real programs
	@deploy/ops/run $(ARGS)

drill: console ## cause real faults; a real Prometheus must fire exactly the right alerts, and end once they are mended
	@UNMOGROWP_DRILL=1 deploy/ops/run -run Drill -v $(ARGS)

reference: ## write the reference pages of settings and metrics from the code
	@go run ./deploy/reference

race: ## the fast tests with the race detector (which needs a C compiler)
	@if [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null; then \
		go test -race $(FAST); \
	else \
		echo 'no C compiler: the fast tests run without the race detector'; go test $(FAST); \
	fi

fuzz: ## fuzz every decoder of bytes from outside for FUZZTIME each (default 10s)
	@grep -rl --include='*_test.go' '^func Fuzz' agent aggregator protocol | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
			echo "$$file $$target" && \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
		done; \
	done

chaos: console powercut ## kill agent, aggregator and ClickHouse again and again under load, cut the power, and count
	@UNMOGROWP_UPGRADE_EVENTS=$${UNMOGROWP_UPGRADE_EVENTS:-120000} \
		go run ./deploy/children/withservers -- go test -count=1 -timeout 60m -run 'Chaos' ./deploy/system/... $(ARGS)
	@UNMOGROWP_BUFFER_DAMAGES=$${UNMOGROWP_BUFFER_DAMAGES:-2000} go test -count=1 -timeout 60m -v -run 'OneDamage' ./agent/buffer $(ARGS)

powercut: ## cut the power of the agent's disk 50 times, let it fail, and kill the agent 1,000 times; what was acknowledged must be there
	@UNMOGROWP_BUFFER_KILLS=$${UNMOGROWP_BUFFER_KILLS:-1000} go test -count=1 -timeout 20m -v -run 'KilledProcess' ./agent/buffer $(ARGS)
	@if [ "$$(id -u)" != 0 ] || ! [ -w /dev/fuse ] || ! losetup --find >/dev/null 2>&1; then \
		echo 'POWER NOT CUT: this needs root, /dev/fuse and a free loop device (losetup --find); nothing is known about power cuts from this run'; \
	else \
		$(GO_BUILD) -o bin/powercut ./deploy/powercut && \
		UNMOGROWP_POWERCUT="$(CURDIR)/bin/powercut" UNMOGROWP_POWERCUTS=$${UNMOGROWP_POWERCUTS:-50} \
			go test -count=1 -timeout 20m -v -run 'PowerCut|FailingDisk|SlowDisk' ./agent/buffer $(ARGS); \
	fi

million: console ## a million conversions through the running system, with kills; both implementations must agree on every row
	@UNMOGROWP_CHAOS_PEOPLE=$${UNMOGROWP_CHAOS_PEOPLE:-200000} UNMOGROWP_CHAOS_KILLS=$${UNMOGROWP_CHAOS_KILLS:-30} \
		go run ./deploy/children/withservers -- go test -count=1 -timeout 180m -v -run 'Million' ./deploy/system $(ARGS)

attack: console ## run every attack against a live system and write docs/security/attack-report.md
	@mkdir -p docs/security
	@UNMOGROWP_ATTACK=full UNMOGROWP_ATTACK_REPORT="$(CURDIR)/docs/security/attack-report.md" \
		go test -count=1 -timeout 20m -v ./deploy/attack $(ARGS)

bench: ## run the benchmark suite; prints a table and writes JSON
	@go run ./benchmarks $(ARGS)
