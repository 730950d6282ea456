# What a fresh clone needs is python3 (3.11 to 3.13), make and, on the Debian family, apt.
SHELL := /bin/sh
PYTHON := .venv/bin/python
READY := .venv/.ready
# most tests wait for other processes, so that two cores serve eight workers, each with servers of its own; by file, in
# the order that tests/conftest.py gives; what was compiled is kept, for the tests start hundreds of processes
WORKERS ?= 8
TESTS = $(wildcard tests/faults tests/e2e tests/packaging tests/console tests/integration tests/disk tests/unit)
PYTEST = PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
CAPTURES := $(abspath $(or $(WATTLINE_CAPTURES),../shared/captures))
PUBLIC ?= build/releases
# Debian 13's and 12's Python on a Pi of 64 bit
PLATFORMS ?= cp313-aarch64 cp311-aarch64
FIELD := $(abspath $(or $(WATTLINE_FIELD),../shared/field))

.DEFAULT_GOAL := help
.PHONY: help venv wheel demo test provided compiled test-editions test-ansible bench chaos fuzz soak test-cluster images registry test-ops release scan sign refresh push publish lint lock schema vendor pictures clean

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

test: $(READY) ## all checks and tests, WORKERS=n at a time, without what ../shared/captures and ../shared/field lack
	@$(MAKE) --no-print-directory -j3 -O lint provided compiled
	@select='not editions'; \
	if [ -z "$(WATTLINE_DEMAND_CAPTURES)" ] && [ ! -d "$(CAPTURES)" ]; then select="$$select and not captures"; \
	  echo "captures: $(CAPTURES) is not here, so the tests on telegrams of real meters are left out"; fi; \
	if [ -z "$(WATTLINE_DEMAND_FIELD)" ] && [ ! -d "$(FIELD)" ]; then select="$$select and not field"; \
	  echo "field: $(FIELD) is not here, so the tests on telegrams of bug reports are left out"; fi; \
	WATTLINE_CAPTURES="$(CAPTURES)" WATTLINE_FIELD="$(FIELD)" $(PYTEST) -m "$$select" $(TESTS)

provided: $(READY)
	@$(PYTHON) -m deploy.local provide

# once, beside the types: else each worker compiles all of it for itself; what can't be collected, the tests will say
compiled: $(READY)
	@PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest --collect-only -q $(TESTS) >/dev/null 2>&1 || true

test-editions: $(READY) ## the store's tests on TimescaleDB Community, of which `make test` has one
	@$(PYTHON) -m deploy.local provide
	@$(PYTEST) --timeout 600 -m editions $(TESTS)

test-ansible: $(READY) ## the Ansible collection: linted for production, its checks and updates undone, the platform's inventory
	@$(PYTHON) -m deploy.local provide
	@$(PYTEST) --timeout 900 tests/ansible

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

registry: $(READY) ## a registry of images with TLS and logins, until Ctrl-C; FOLDER=folder
	@$(PYTHON) -m deploy.registry run $(if $(FOLDER),--folder "$(FOLDER)")

images: $(READY) ## OCI images of agent and server for amd64 and arm64 in dist/images, without a container engine; IMAGE=name
	@$(PYTHON) -m deploy.images build $(if $(IMAGE),--image "$(IMAGE)")

test-ops: $(READY) ## images run and kept, a Pi's updates, keys in tokens, Sparkplug with others, Ansible on machines with systemd; installs podman, runc, skopeo, qemu; REPORT=file MACHINES="namespaces qemu"
	@$(PYTHON) -m deploy.local provide
	@$(PYTHON) -m deploy.local containers
	@WATTLINE_OPS_REPORT="$(abspath $(REPORT))" WATTLINE_OPS_MACHINES="$(MACHINES)" $(PYTHON) -m pytest tests/ops

# a release, step by step; each can be done again
release: $(READY) ## VERSION=: changelog, commit, tag, and dist/VERSION with wheel, images, bills of materials; WITHOUT_IMAGES=1
	@$(PYTHON) -m deploy.ci "$(VERSION)" $(if $(WITHOUT_IMAGES),--no-images)

scan: $(READY) ## known holes in the libraries that are shipped; OSV=url (in PyPI's place) IGNORE="id ..."
	@$(PYTHON) -m deploy.ci.scan $(if $(OSV),--osv-url "$(OSV)") $(foreach id,$(IGNORE),--ignore "$(id)")

sign: $(READY) ## VERSION= KEYS=folder [PASSPHRASE=file] [PUBLIC=folder] [PLATFORMS="cp313-aarch64 ..."]: what Pis may believe
	@$(PYTHON) -m deploy.releases wheels $(PLATFORMS)
	@$(PYTHON) -m deploy.releases add --key "$(KEYS)/release.key" --online-key "$(KEYS)/online.key" \
	  $(if $(PASSPHRASE),--passphrase-file "$(PASSPHRASE)") --folder "$(PUBLIC)" --version "$(VERSION)" \
	  $(if $(wildcard dist/$(VERSION)/images/.),--images "dist/$(VERSION)/images") \
	  --wheel dist/$(VERSION)/wattline-*.whl $(foreach platform,$(PLATFORMS),--wheels build/wheels/$(platform))

refresh: $(READY) ## KEYS=folder PUBLIC=folder [PASSPHRASE=file]: say again, each day, what is newest
	@$(PYTHON) -m deploy.releases refresh --online-key "$(KEYS)/online.key" --folder "$(PUBLIC)" \
	  $(if $(PASSPHRASE),--passphrase-file "$(PASSPHRASE)")

push: $(READY) ## VERSION= REGISTRY=host:port CA=file PASSWORD_FILE=file: its images into a registry
	@$(PYTHON) -m deploy.registry push --address "$(REGISTRY)" --ca "$(CA)" --password-file "$(PASSWORD_FILE)" "dist/$(VERSION)/images"

publish: $(READY) ## VERSION= SOURCE=url [GROUP=name] [REASON=text]: to Pis, in steps; WATTLINE_URL and WATTLINE_TOKEN say where
	@$(PYTHON) -m cli update publish "$(VERSION)" --source "$(SOURCE)" $(if $(GROUP),--group "$(GROUP)") $(if $(REASON),--reason "$(REASON)")

lint: $(READY) ## formatting, rules, types, imports
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@PYTHONPATH=. .venv/bin/lint-imports

lock: $(READY) ## pin the requirements anew from pyproject.toml, with hashes and no address
	@$(PYTHON) -m deploy.local.lock

schema: $(READY) ## write store/schema.sql anew: the tables that all migrations together make
	@$(PYTHON) -m deploy.local.schema

vendor: $(READY) ## fetch the console's JavaScript libraries anew, through npm, at the versions of vendor.json
	@$(PYTHON) -m deploy.vendor

pictures: $(READY) ## draw the console's pictures for docs/ with the browser of the tests
	@$(PYTHON) -m tests.console.pictures

clean: ## remove .venv and whatever tools left; the servers' cache stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .run dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
