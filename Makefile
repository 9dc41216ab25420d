# Everything runs from .venv, which is made from the hash-locked requirements; nothing is installed system-wide.
.DEFAULT_GOAL := help
.PHONY: help demo welcome cheat api-tour test check fmt bench soak down lock contracts hwi

PYTHON ?= python3
BIN := .venv/bin
EVM := demo/evm/node_modules/.stamp
AXE := tests/browser/axe/node_modules/.stamp
PIP := $(BIN)/pip install -qq --disable-pip-version-check --no-input
# No package's own scripts run: what is wanted of them is files.
NPM := npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
NO_NPM := is not on this machine (Debian/Ubuntu: apt install npm; macOS: brew install node

help: ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.stamp $(EVM) ## start the real servers and play the story (ONCE=1: exit instead of staying up)
	@$(BIN)/python -m demo

welcome: .venv/.stamp ## in a demo that stays up: two operators agree to the passkey that your browser made
	@$(BIN)/python -m demo.newcomer

cheat: .venv/.stamp ## in a demo that stays up: a thief rewrites the waiting payment in the database
	@$(BIN)/python -m demo.cheat

api-tour: .venv/.stamp ## in a demo that stays up: twelve calls of the API, from a new client to a webhook received
	@$(BIN)/python -m demo.tour

test: .venv/.stamp .hwi/.stamp $(EVM) $(AXE) ## run every test, on real Postgres, broker, bitcoind and anvil (ARGS="-k name" to choose)
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: .venv/.stamp ## format, lint, types, import contracts, compose schema, architecture tests
	@$(BIN)/ruff format --check --quiet . || { echo "error: format: run make fmt"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@said=$$($(BIN)/lint-imports --no-logo) && echo "$$said" | tail -n 1 || { echo "$$said"; exit 1; }
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/python -m pytest --durations=1 tests/architecture

fmt: .venv/.stamp ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/.stamp $(EVM) ## measure ours beside the peers in one run, printed as ratios
	@$(BIN)/python -m benchmarks

MINUTES ?= 10
soak: .venv/.stamp $(EVM) ## run the property, crash and fault tests again and again with new seeds (MINUTES=10)
	@end=$$(( $$(date +%s) + 60 * $(MINUTES) )); round=0; while [ $$(date +%s) -lt $$end ]; do \
		round=$$(( round + 1 )); echo "round $$round, seed $$round$$end"; \
		CUSTODY_TEST_SEED=$$round$$end $(BIN)/python -m pytest -n 2 -x --durations=0 tests/properties tests/crash tests/faults || exit 1; \
	done

down: ## stop a demo that stays up
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo.supervisor down; else echo "nothing is running"; fi

# A universal lock holds for every Python we accept and every platform, so one file serves all machines.
COMPILE := ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links -q

lock: .venv/.stamp ## compile the locks from requirements/*.in (UPGRADE=--upgrade for newer versions)
	@cd requirements && $(COMPILE) $(UPGRADE) build.in -o build.txt
	@cd requirements && $(COMPILE) $(UPGRADE) cosigner.in build.in -o cosigner.txt
	@cd requirements && $(COMPILE) $(UPGRADE) cosigner.in daemon.in build.in -o daemon.txt
	@cd requirements && $(COMPILE) $(UPGRADE) cosigner.in daemon.in build.in dev.in -o dev.txt
	@cd requirements && $(COMPILE) $(UPGRADE) hwi.in build.in -o hwi.txt

hwi: .hwi/.stamp ## make the hardware wallets' command in an environment of its own, and print its path
	@echo "$(CURDIR)/.hwi/bin/hwi"

contracts: .venv/.stamp ## compile the test contracts anew with the locked compiler
	@command -v npm >/dev/null || { echo "error: npm: $(NO_NPM))" >&2; exit 2; }
	@cd tests/contracts && $(NPM) >/dev/null
	@$(BIN)/python -m tests.contracts.build

# An anvil of one's own needs no npm. The package is one binary, locked for the machines it is made for.
$(EVM): demo/evm/package.json demo/evm/package-lock.json
	@if [ -n "$$ANVIL" ] || command -v anvil >/dev/null; then exit 0; fi; \
	[ "$$(uname -sm)" = "Linux x86_64" ] || { echo "error: anvil: no package is locked for this machine (put Foundry's anvil on PATH or set ANVIL)" >&2; exit 2; }; \
	for each in npm node; do command -v $$each >/dev/null || { echo "error: $$each: $(NO_NPM); or set ANVIL)" >&2; exit 2; }; done; \
	mkdir -p .custody; echo "  fetching anvil, an Ethereum node, from its locked npm package"; \
	(cd demo/evm && $(NPM) >../../.custody/npm.log 2>&1) || { echo "error: npm: the locked anvil could not be installed: is its registry reachable? .custody/npm.log has what npm said (or set ANVIL)" >&2; exit 2; }; \
	touch $@

# The accessibility checker is one script; the tests put it into the console's pages.
$(AXE): tests/browser/axe/package.json tests/browser/axe/package-lock.json
	@command -v npm >/dev/null || { echo "error: npm: $(NO_NPM))" >&2; exit 2; }
	@(cd tests/browser/axe && $(NPM) >/dev/null) || { echo "error: npm: the locked axe-core could not be installed" >&2; exit 2; }
	@touch $@

# embit comes as source: without the locked build tools and --no-build-isolation, pip would fetch an unlocked one.
.venv/.stamp: requirements/build.txt requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: python: no $(PYTHON) found (Debian/Ubuntu: apt install python3 python3-venv; macOS: brew install python; or set PYTHON)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: python: $(PYTHON) is older than 3.11; set PYTHON to a newer one" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: python: the venv module is missing (Debian/Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@began=$$(date +%s); echo "  making .venv and installing the locked dependencies"; \
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv || exit 2; \
	{ $(PIP) --require-hashes -r requirements/build.txt && \
	$(PIP) --no-build-isolation --require-hashes -r requirements/dev.txt && \
	$(PIP) --no-build-isolation --no-deps -e .; } >.venv/pip.log 2>&1 || { echo "error: packages: pip could not install the locked ones: is its registry reachable? .venv/pip.log has what pip said (another registry: PIP_INDEX_URL)" >&2; exit 2; }; \
	echo "  $$(( $$(date +%s) - began )) s    .venv is ready"
	@touch $@

# HWI is a command of its own: it pins what cannot stand beside our libraries. Its package says it wants a Python before
# 3.13, and it runs on that one too.
.hwi/.stamp: requirements/build.txt requirements/hwi.txt
	@mkdir -p .hwi; \
	if [ -n "$$HWI" ] || command -v hwi >/dev/null; then touch $@; exit 0; fi; \
	echo "  making .hwi and installing the locked HWI"; \
	[ -x .hwi/bin/pip ] || $(PYTHON) -m venv .hwi; \
	.hwi/bin/pip install -qq --disable-pip-version-check --no-input --require-hashes -r requirements/build.txt && \
	.hwi/bin/pip install -qq --disable-pip-version-check --no-input --ignore-requires-python --no-build-isolation --require-hashes -r requirements/hwi.txt && \
	touch $@
