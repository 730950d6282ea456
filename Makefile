# What a fresh clone needs is python3 (3.11 to 3.13), make and, on the Debian family, apt.
SHELL := /bin/sh
PYTHON := .venv/bin/python
READY := .venv/.ready
# most tests wait for other processes: each worker has servers of its own
WORKERS ?= 2
CAPTURES := $(abspath $(or $(WATTLINE_CAPTURES),../shared/captures))
FIELD := $(abspath $(or $(WATTLINE_FIELD),../shared/field))

.DEFAULT_GOAL := help
.PHONY: help venv wheel demo test bench chaos fuzz soak test-cluster lint lock vendor pictures clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

venv: $(READY) ## make .venv with the pinned requirements

$(READY): requirements/dev.txt pyproject.toml deploy/local/bootstrap.sh
	@sh deploy/local/bootstrap.sh
	@touch $@

# an operator's clone needs no development environment for it: the pinned build backend is fetched alone
wheel: ## build dist/wattline-VERSION-py3-none-any.whl, which README's Operate installs
	@rm -f dist/wattline-*.whl
	@if [ -e $(READY) ]; then $(PYTHON) -m hatchling build -t wheel -d dist; else \
	  python3 -m venv build/wheel && build/wheel/bin/pip wheel --quiet --no-deps --wheel-dir dist . && ls dist/*.whl; fi

demo: $(READY) ## the whole loop with simulated meters; FOR=seconds REPORT=file UNKNOWN=1 (a meter that no catalogue has)
	@$(PYTHON) -m deploy.demo $(if $(FOR),--for "$(FOR)") $(if $(REPORT),--report "$(REPORT)") $(if $(UNKNOWN),--unknown)

test: lint ## all checks and tests, WORKERS=2 at a time; what ../shared/captures and ../shared/field lack is left out
	@$(PYTHON) -m deploy.local provide
	@select=; \
	if [ -z "$(WATTLINE_DEMAND_CAPTURES)" ] && [ ! -d "$(CAPTURES)" ]; then select='not captures'; \
	  echo "captures: $(CAPTURES) is not here, so the tests on telegrams of real meters are left out"; fi; \
	if [ -z "$(WATTLINE_DEMAND_FIELD)" ] && [ ! -d "$(FIELD)" ]; then select="$${select:+$$select and }not field"; \
	  echo "field: $(FIELD) is not here, so the tests on telegrams of bug reports are left out"; fi; \
	WATTLINE_CAPTURES="$(CAPTURES)" WATTLINE_FIELD="$(FIELD)" $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile -m "$$select" \
	  $(wildcard tests/unit tests/integration tests/console tests/faults tests/e2e tests/packaging)

bench: $(READY) ## measure, beside the limits; REPORT=file; BACKLOG=1: hours at once, too; STORE=1 [READINGS=n]: the store
	@$(PYTHON) -m benchmarks$(if $(STORE),.store $(if $(READINGS),--readings "$(READINGS)"),$(if $(BACKLOG), --backlog)) $(if $(REPORT),--report "$(REPORT)")

chaos: $(READY) ## the stack through each fault, counted against the meters; RUNS=n FAULT=name,... SEED=n SLOW=1 JOBS=n REPORT=file
	@$(PYTHON) -m tests.chaos $(if $(RUNS),--runs "$(RUNS)") $(if $(FAULT),--fault "$(FAULT)") $(if $(SEED),--seed "$(SEED)") \
	  $(if $(SLOW),--slow) $(if $(JOBS),--jobs "$(JOBS)") $(if $(REPORT),--report "$(REPORT)")

fuzz: $(READY) ## every parser with bad inputs, which only known errors may answer; N=1000000 SEED=n TARGET=name JOBS=n
	@$(PYTHON) -m tests.fuzz $(if $(N),-n "$(N)") $(if $(SEED),--seed "$(SEED)") $(if $(TARGET),--target "$(TARGET)") \
	  $(if $(JOBS),--jobs "$(JOBS)")

soak: $(READY) ## the stack under load for long: memory, handles and lag of each process as a picture; FOR=10m REPORT=file.svg
	@$(PYTHON) -m tests.chaos.soak $(if $(FOR),--for "$(FOR)") $(if $(REPORT),--report "$(REPORT)")

test-cluster: $(READY) ## a broker cluster and a replicated database whose nodes are killed; RUNS=n REPORT=file FAULT=name
	@$(PYTHON) -m tests.cluster $(if $(RUNS),--runs "$(RUNS)") $(if $(REPORT),--report "$(REPORT)") $(if $(FAULT),--fault "$(FAULT)")

lint: $(READY) ## formatting, rules, types, imports
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@PYTHONPATH=. .venv/bin/lint-imports

lock: $(READY) ## pin the requirements anew from pyproject.toml, with hashes and no address
	@$(PYTHON) -m deploy.local.lock

vendor: $(READY) ## fetch the console's JavaScript libraries anew, through npm, at the versions of vendor.json
	@$(PYTHON) -m deploy.vendor

pictures: $(READY) ## draw the console's pictures for docs/ with the browser of the tests
	@$(PYTHON) -m tests.console.pictures

clean: ## remove .venv and whatever tools left; the servers' cache stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .run dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
