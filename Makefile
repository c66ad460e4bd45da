# `make demo` and `make test` work from a fresh clone; each installs what it needs into .venv and nowhere else.
PYTHON ?= python3
VENV := .venv
# A comma in the argument of a call would begin the next one.
comma := ,
BIN := $(VENV)/bin
# uv is used when it is there because it is faster; pip does the same.
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
INSTALL := uv pip install --quiet --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

# PINNED=1 installs exactly what constraints.txt names, checked by its hashes, as CI and images do.
ifdef PINNED
install = $(INSTALL) --require-hashes -r constraints.txt && $(INSTALL) --no-deps --no-build-isolation -e .
else
install = $(INSTALL) -e '.[$(1)]'
endif

# Tests start hundreds of processes. Without bytecode each of them compiles what it imports, which takes 1 to 3 s.
unexport PYTHONDONTWRITEBYTECODE

# A fifth of the time of the tests is waiting, so three processes keep two cores busy; each has a broker and a store, about 2 GB.
# The tests of a file stay together; files in the order of their names, so that short unit tests fill the last minutes.
JOBS ?= 3
PYTEST = $(BIN)/python -m pytest -q
PARALLEL = -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Tests that need a whole cluster of processes, a Kubernetes cluster, helm, or images, have their own targets.
SEPARATE = --ignore=tests/e2e --ignore=tests/e2e_kubernetes --ignore=tests/chart --ignore=tests/images
# Programs that Go builds where they are missing.
TOOLS := .cache/bin

.PHONY: help demo up test tests coverage e2e again unit check bench quality gallery fuzz conformance faults images \
	images-test chart chart-tools e2e-kubernetes protos crds dashboards dashboards-pictures values constraints clean

help:  ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.local: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,local)
	@touch $@

$(VENV)/.cluster: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,local$(comma)cluster)
	@touch $@ $(VENV)/.local

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,local$(comma)torch$(comma)cluster$(comma)controller$(comma)tracing$(comma)credentials$(comma)dev)
	@touch $@ $(VENV)/.local $(VENV)/.cluster

demo: $(VENV)/.local  ## age a clip to a 1940s print, restore it, show both side by side; FILM=my.mp4 restores yours
	$(BIN)/python -m scripts.demo $(if $(FILM),'$(subst ','\'',$(FILM))')

up: $(VENV)/.cluster  ## a cluster here: broker, store, one of each role; Ctrl-C stops it
	$(BIN)/python -m scripts.up

# The checks keep one core busy for a minute and a half, so they run beside the tests.
test: $(VENV)/.dev  ## every check, and every test but those of whole clusters; JOBS=4 for four processes
	$(MAKE) --no-print-directory --jobs=2 check tests

tests: $(VENV)/.dev
	$(PYTEST) $(PARALLEL) $(SEPARATE)

coverage: $(VENV)/.dev  ## the tests of `make test`, and the lines that they do not reach
	$(PYTEST) $(PARALLEL) $(SEPARATE) --cov=reelwright --cov-report=term:skip-covered

e2e: $(VENV)/.dev  ## the tests of whole clusters: role processes on a broker and a store, and a short fault campaign
	$(PYTEST) tests/e2e

again: $(VENV)/.dev  ## the tests that failed in the last run, alone
	$(PYTEST) --last-failed --last-failed-no-failures none -rA tests

unit: $(VENV)/.dev  ## the fast tests alone
	$(PYTEST) $(PARALLEL) tests/unit

check: $(VENV)/.dev  ## lint, dead code, layers, repository rules, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.repository_rules
	$(BIN)/mypy

bench: $(VENV)/.dev  ## speed, memory and frames on this machine
	$(BIN)/python -m tests.bench

quality: $(VENV)/.dev  ## what networks do for moving film, and their peers: writes docs/quality.md, about half an hour
	$(BIN)/python -m training.quality

gallery: $(VENV)/.dev  ## pictures of what each step does: writes docs/gallery.md, about two minutes
	$(BIN)/python -m tests.gallery $(ONLY)

fuzz: $(VENV)/.dev  ## mutated films, until N or from FIRST to N: make fuzz N=20000; RESTORE=1 restores and verifies each
	REELWRIGHT_FUZZ=$(or $(N),20000) REELWRIGHT_FUZZ_FIRST=$(or $(FIRST),0) REELWRIGHT_FUZZ_RESTORE=$(RESTORE) \
		REELWRIGHT_FUZZ_WORKERS=$(JOBS) $(PYTEST) tests/integration/test_fuzz.py --timeout=0 -o faulthandler_timeout=0

conformance: $(VENV)/.dev  ## what each profile carries of each kind of stream: writes docs/conformance.md
	$(VENV)/bin/python -m tests.conformance

faults: $(VENV)/.dev  ## kill, cut, fill and corrupt: make faults FAULTS=1000 SEED=7; HOSTILE=1 forges messages and sends foreign requests
	$(BIN)/python -m tests.faults $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(if $(HOSTILE),--hostile)

images: $(VENV)/.local  ## build the container images with docker or buildah: make images ONLY="media inference-cpu" PUSH=REGISTRY
	PUSH=$(PUSH) $(BIN)/python -m scripts.images $(ONLY)

images-test: $(VENV)/.dev  ## build two images, look into them, and run roles in them
	$(PYTEST) tests/images

chart: $(VENV)/.dev chart-tools  ## lint, render and validate the Helm chart
	PATH=$(abspath $(TOOLS)):$$PATH $(PYTEST) tests/chart

chart-tools: $(TOOLS)/helm  ## build helm into .cache/bin, where the machine has none

$(TOOLS)/helm:
	command -v helm || GOBIN=$(abspath $(TOOLS)) CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' helm.sh/helm/v3/cmd/helm@v3.22.0

e2e-kubernetes: $(VENV)/.dev  ## the tests on a real Kubernetes: the current context of kubectl, or TESTBED=FOLDER
	$(PYTEST) -rP --durations=10 tests/e2e_kubernetes

protos: $(VENV)/.dev  ## generate services/reelwright/wire from protos/
	$(BIN)/python scripts/protos.py

crds: $(VENV)/.dev  ## generate the chart's CustomResourceDefinitions
	$(BIN)/python -m scripts.crds

dashboards: $(VENV)/.dev  ## generate the chart's Grafana dashboards from scripts/dashboards/
	$(BIN)/python -m scripts.dashboards

dashboards-pictures: $(VENV)/.dev  ## draw the dashboards for the docs from a run of a cluster: five minutes, needs Prometheus
	$(BIN)/python -m tests.dashboards

values: $(VENV)/.dev  ## generate the README of the chart from the comments of its values
	$(BIN)/python -m scripts.values_table

constraints:  ## pin the newest versions that pyproject.toml allows, for CI and images: constraints.txt
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest --all-extras --no-strip-extras \
		--generate-hashes --no-annotate --no-header --no-emit-index-url pyproject.toml -o constraints.txt
	$(PYTHON) -m scripts.image_requirements

clean:  ## remove what was installed and made
	rm -rf $(VENV) demo up .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
