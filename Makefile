# The two commands to know: `make demo` and `make test`. Everything else is listed by `make help`.

CACHE := $(HOME)/.cache/tenantry
# Outside the work tree, so that a fresh clone builds with what an older one left.
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PATH := $(PATH):$(HOME)/.cargo/bin:$(CACHE)/uv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test bench-scale build release dist docs screenshots fuzz deny setup setup-build setup-readers setup-tests

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: setup-build ## Replicate a simulated tenant into tenantry.duckdb and open the console: no account needed
	@cargo run --locked -p tenantry -- demo

test: setup-tests ## Run every check and every test
	@scripts/test.sh

bench-scale: setup-readers ## Make Delta tables of USERS and LOGS (1000000, 5000000), ask and merge them on one process and several; in DIR, 1 GB or more
	@"$(CACHE)/readers/bin/python" crates/tenantry-delta/benches/scale/scale.py "$(or $(DIR),$(CACHE)/scale)" \
		--users $(or $(USERS),1000000) --logs $(or $(LOGS),5000000) $(ARGS)

build: setup-build ## Build the tenantry command
	@cargo build --locked -p tenantry
	@printf '\nbuilt %s\n' "$(CARGO_TARGET_DIR)/debug/tenantry"

release: setup-build ## Build the tenantry command, optimised, with every destination but Delta Lake, which takes long
	@cargo build --locked --release -p tenantry --features bigquery,snowflake
	@printf '\nbuilt %s\n' "$(CARGO_TARGET_DIR)/release/tenantry"

dist: setup-build ## Pack the command, with every destination, into an archive to hand out: Delta Lake's engine takes half an hour
	@scripts/dist.sh

docs: setup-build ## Write the documents that are generated from the code
	@cargo xtask docs
	@cargo run --locked -q -p tenantry -- reference > docs/cli.md.new && mv docs/cli.md.new docs/cli.md

screenshots: setup-tests ## Take the pictures of the console in docs/images again
	@scripts/screenshots.sh

fuzz: setup-build ## Fuzz each decoder for 30 minutes, or for SECONDS
	@scripts/fuzz.sh $(or $(SECONDS),1800) $(TARGETS)

deny: ## Check licences, advisories and sources of all dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	@cargo deny check

setup: setup-tests ## Install what this machine lacks for all of the above

setup-build:
	@scripts/setup.sh build

setup-readers:
	@scripts/setup.sh readers

setup-tests:
	@scripts/setup.sh tests
