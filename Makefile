# Everything a developer or an operator types. `make` lists it. Each step leaves a stamp in $(VENV), so repeats are quick.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python on the path that is new enough; choose another with `make install PYTHON=/path/to/python3`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Folders of what the tests take from npm, each with its lock.
NPM := tests/browser tests/clients tests/http_cache
NPM_STAMPS := $(NPM:%=%/node_modules/.stamp)
# The same for what is only measured beside, and for what only draws.
PEERS := benchmarks/peers
DRAWING := tests/drawing
# What is tried with the oldest versions: every unit, and each library where it is used in earnest.
FLOORS := tests/unit tests/contract/test_targets.py tests/integration/test_publish.py tests/integration/test_api_reviews.py \
	tests/integration/test_api_auth.py tests/integration/test_api_imports.py tests/integration/test_cli.py \
	tests/integration/test_serving.py tests/integration/test_serving_heads.py
# Words after the target's own: `make test ARGS="-k ledger"`, `make run ARGS=--help`.
ARGS ?=
# What the tests need from the system, as command-or-file:debian-package.
TOOLS := chromium:chromium java:default-jre-headless npm:npm /usr/sbin/nginx:nginx /usr/sbin/varnishd:varnish \
	/usr/lib/nginx/modules/ngx_http_cache_purge_module.so:libnginx-mod-http-cache-purge \
	/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so:libnginx-mod-http-brotli-filter wrk:wrk strace:strace \
	/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1:faketime

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.runtime ## Create .venv with the publisher and what it needs to run

.PHONY: run
run: install ## Start the whole stack on this machine: store, edge, API and worker
	@exec $(BIN)/publisher up $(ARGS)

.PHONY: test
test: lint typecheck $(VENV)/.tools $(VENV)/.deploy $(NPM_STAMPS) ## Check style, types and behaviour
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-floors
test-floors: $(VENV)/.dev $(VENV)/.tools $(NPM_STAMPS) ## Test with the oldest versions of the runtime that pyproject.toml allows, in an environment of its own
	@floors=$(VENV)/floors
	$(BIN)/uv pip compile pyproject.toml --quiet --python-version 3.11 --resolution lowest-direct --no-header -o $(VENV)/floors.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $$floors
	$(BIN)/uv pip install --quiet --python $$floors/bin/python -r $(VENV)/floors.txt --group checks --group backend
	$(BIN)/uv pip install --quiet --python $$floors/bin/python --no-deps --no-build-isolation -e .
	$$floors/bin/python -m pytest $(if $(ARGS),$(ARGS),$(FLOORS))

.PHONY: lint
lint: $(VENV)/.dev ## Check style and formatting
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: $(VENV)/.dev ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: typecheck
typecheck: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

.PHONY: lock
lock: $(VENV)/.dev ## Pin every dependency by hash again (UPGRADE=--upgrade takes newer releases)
	@lock() { $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header $(UPGRADE) --group backend "$$@"; }
	lock --output-file requirements.txt
	lock --group dev --constraints requirements.txt --output-file requirements-dev.txt
	$(BIN)/uv pip compile --group deploy --quiet --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE) \
		--output-file requirements-deploy.txt
	lock --group bench --constraints requirements-dev.txt --output-file requirements-bench.txt
	for folder in $(NPM) $(PEERS) $(DRAWING); do npm --prefix "$$folder" install --package-lock-only; done

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Let Schemathesis try the API for a quarter of an hour (ARGS="--max-time 60" for less)
	@$(BIN)/python -m tests.fuzzing $(ARGS)

.PHONY: bench
bench: TOOLS := npm:npm strace:strace wrk:wrk
bench: $(VENV)/.bench $(VENV)/.tools $(PEERS)/node_modules/.stamp ## Measure; ARGS chooses which benchmark and how large
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: test-corpus
test-corpus: $(VENV)/.dev $(NPM_STAMPS) ## Test against a folder of real posts: make test-corpus CORPUS=folder
	@if [ -z "$(CORPUS)" ] && [ ! -f ../shared/corpus/corpus.tar.xz ]; then
		echo "CORPUS must name a folder of Markdown posts: make test-corpus CORPUS=folder" >&2
		exit 1
	fi
	CORPUS="$(CORPUS)" $(BIN)/python -m pytest -m corpus $(ARGS)

.PHONY: faults
faults: TOOLS := strace:strace /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1:faketime
faults: $(VENV)/.dev $(VENV)/.tools ## Every fault of docs/faults.md and a table of what came of it (hours; ARGS="--part NAME", --resume, --write)
	@$(BIN)/python -m tests.faults $(ARGS)

.PHONY: test-kills
test-kills: $(VENV)/.dev ## Kill the editor's commands before each line of their code (some 2,500 runs)
	@KILL_EVERY=1 $(BIN)/python -m pytest tests/integration/test_desk_sessions.py -k killed_anywhere --timeout 7200 $(ARGS)

.PHONY: sbom
sbom: $(VENV)/.runtime $(VENV)/.deploy ## Write what the publisher is made of, with licences: dist/sbom.json (CycloneDX)
	@mkdir -p dist
	$(VENV)/deploy/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/sbom.json $(BIN)/python

.PHONY: models
models: $(VENV)/.dev $(NPM_STAMPS) ## Make types of the bundles for Kotlin and Swift: dist/models
	@$(BIN)/python -m tests.models dist/models

.PHONY: screenshots
screenshots: $(VENV)/.dev $(VENV)/.tools ## Photograph the pages for the documentation
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

.PHONY: weights
weights: $(VENV)/.dev $(VENV)/.tools ## Measure what a visit of each kind of page costs, as the README has it
	@$(BIN)/python -m tests.browser.weights

.PHONY: lighthouse
lighthouse: $(VENV)/.dev $(VENV)/.tools $(NPM_STAMPS) ## Have Lighthouse judge home, review, camera, compare and search
	@$(BIN)/python -m tests.browser.lighthouse $(ARGS)

.PHONY: http-cache
http-cache: $(VENV)/.dev $(VENV)/.tools $(NPM_STAMPS) ## Put every edge through http-cache-tests, and write docs/edges.md
	@$(BIN)/python -m tests.http_cache

.PHONY: docs
docs: $(VENV)/.dev ## Write the pages in docs/ and the examples in deploy/ that are made from the program
	@$(BIN)/python -m publisher.cli_reference .

.PHONY: diagrams
diagrams: TOOLS := chromium:chromium npm:npm
diagrams: $(VENV)/.dev $(VENV)/.tools $(DRAWING)/node_modules/.stamp ## Draw the diagrams of the documentation that changed, as SVG
	@$(BIN)/python -m tests.diagrams

.PHONY: docs-site
docs-site: $(VENV)/.dev ## Make a site of the documentation by the publisher itself: dist/docs-site
	@mkdir -p dist
	$(BIN)/python -m tests.docs_site dist/docs-site

.PHONY: clean
clean: ## Remove what these targets made; data/ stays
	@rm -rf $(VENV) $(NPM:%=%/node_modules) $(PEERS)/node_modules $(DRAWING)/node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- steps, each with its stamp ---

# $(call need,PACKAGES): install Debian packages as root, else say which are missing.
define need
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "Installing from Debian:" $(1)
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null
	else
		echo "These system packages are missing (names as in Debian):" $(1) >&2
		echo "Install them, then try again:  sudo apt-get install" $(1) >&2
		exit 1
	fi
endef

# $(call check_python): stop, saying why, unless PYTHON is 3.11 or newer and can make virtual environments.
define check_python
	if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		echo "Python 3.11 or newer is needed, and was not found$(if $(PYTHON), as $(PYTHON))." >&2
		echo "Name one:  make install PYTHON=/path/to/python3" >&2
		exit 1
	fi
	if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then
		$(call need,python3-venv)
	fi
endef

# Debian's package would start a server on every address of the machine: only its checker is taken out of it.
define unpack_promtool
	folder=$$(mktemp -d)
	( cd "$$folder" && { apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }; } && dpkg -x prometheus_*.deb . )
	mv "$$folder/usr/bin/promtool" $(VENV)/deploy/bin/promtool
	rm -r "$$folder"
endef

$(BIN)/python:
	@$(check_python)
	"$(PYTHON)" -m venv "$(VENV)"

$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing the publisher into $(VENV) ..."
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what developing needs into $(VENV) ..."
	$(PIP) --require-hashes -r requirements-dev.txt
	touch $@

$(VENV)/.deploy: requirements-deploy.txt | $(BIN)/python
	@echo "Installing what checks deploy/ into $(VENV)/deploy ..."
	$(BIN)/python -m venv $(VENV)/deploy
	$(VENV)/deploy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-deploy.txt
	if [ ! -x $(VENV)/deploy/bin/promtool ]; then
		command -v promtool >/dev/null && ln -s "$$(command -v promtool)" $(VENV)/deploy/bin/promtool || { $(unpack_promtool); }
	fi
	touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.runtime
	@echo "Installing what measuring needs into $(VENV) ..."
	$(PIP) --require-hashes -r requirements-bench.txt
	touch $@

# No stamp: packages come and go outside this folder, and asking takes a millisecond.
.PHONY: $(VENV)/.tools
$(VENV)/.tools:
	@missing=""
	for tool in $(TOOLS); do
		command -v "$${tool%%:*}" >/dev/null || [ -e "$${tool%%:*}" ] || missing="$$missing $${tool#*:}"
	done
	if [ -n "$$missing" ]; then
		$(call need,$$missing)
	fi

$(NPM_STAMPS) $(PEERS)/node_modules/.stamp $(DRAWING)/node_modules/.stamp: %/node_modules/.stamp: %/package.json %/package-lock.json %/.npmrc | $(VENV)/.tools
	@echo "Installing what is needed from npm into $*/node_modules ..."
	npm --prefix "$*" ci --silent
	touch $@
