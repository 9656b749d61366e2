PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup tests harness --doctest-modules

# The quick search for divergences: as many examples of each family, the same every time, and the
# seconds that it may take at most.
SEARCH_EXAMPLES ?= 720
SEARCH_SEED ?= 1
SEARCH_SECONDS ?= 60
SEARCH := $(BIN)/conform fuzz --seed $(SEARCH_SEED) --examples $(SEARCH_EXAMPLES) --seconds $(SEARCH_SECONDS)

.PHONY: help conform conform-full gate search matrix fuzz docs test test-quick test-all lint types check-cases schemas bench strength clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

conform: $(READY) ## run every case on every framework here; report in reports/latest
	@$(BIN)/conform run

conform-full: $(READY) ## the same in every execution mode
	@$(BIN)/conform run --full

gate: $(READY) ## conform, what changed since reports/baseline.json, and the quick search
	@$(BIN)/conform run; ran=$$?; [ $$ran -le 1 ] || exit $$ran; \
		$(BIN)/conform gate; gated=$$?; $(SEARCH) && [ $$gated -eq 0 ] && exit $$ran

search: $(READY) ## search for divergences with 720 random examples, the same every time, in a minute at most
	@$(SEARCH)

matrix: $(READY) ## run the suite in other versions of the frameworks too: reports/matrix, docs/versions.md
	@$(BIN)/conform environments create '*'
	@$(BIN)/conform run --environment '*' --report reports/matrix; ran=$$?; [ $$ran -le 1 ] || exit $$ran; \
		$(BIN)/conform document versions --report reports/matrix > docs/versions.md.new \
		&& mv docs/versions.md.new docs/versions.md && exit $$ran

strength: $(READY) ## plant faults in the frameworks and count those that no case catches; docs/strength.md
	@$(BIN)/conform strength --document docs/strength.md

test: $(READY) ## the harness's own tests, on the frameworks too
	CONFORM_DRAWS=test $(PYTEST) -m "not slow"

test-quick: $(READY) ## those that start no framework
	CONFORM_DRAWS=quick $(PYTEST) -m "not slow and not frameworks"

test-all: $(READY) ## all of them: ssh, killed workers, a browser, every finding's script, all draws
	CONFORM_DRAWS=$${CONFORM_DRAWS:-all} $(PYTEST)

lint: $(READY) ## ruff, checks and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

check-cases: $(READY) ## validate the case files, without starting any framework
	@$(BIN)/conform check

fuzz: $(READY) ## search for divergences with 20000 random examples; docs/fuzz.md
	@$(BIN)/conform fuzz --examples 20000

schemas: $(READY) ## write the JSON Schemas of cases, reports and comparisons anew
	$(BIN)/conform schema case > cases/schema.json.new && mv cases/schema.json.new cases/schema.json
	$(BIN)/conform schema report > harness/report/report.schema.json.new
	mv harness/report/report.schema.json.new harness/report/report.schema.json
	$(BIN)/conform schema comparison > harness/traces/comparison.schema.json.new
	mv harness/traces/comparison.schema.json.new harness/traces/comparison.schema.json

docs: $(READY) ## write docs/coverage.md, findings.md and mapping.md anew
	for name in coverage findings mapping; do \
		$(BIN)/conform document $$name > docs/$$name.md.new && mv docs/$$name.md.new docs/$$name.md || exit 1; \
	done

bench: $(READY) ## ratios: own share, beside a bare script, reference and judge beside numpy, growth, memory
	$(BIN)/python benchmarks/share.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/long.py
	$(BIN)/python benchmarks/growth.py

clean: ## remove what the other targets made, the environment too
	rm -rf $(VENV) .environments reports/latest reports/matrix build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .conform_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when what it holds has changed; otherwise a second call installs nothing.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[torch,mindspore,dev]'
	@touch $@
