# Needs Python 3.11 to 3.14 and nothing else; 3.14 is not tested yet. Uses uv if it is on PATH. `make help` lists the targets.
# Installs locked versions: uv reads uv.lock, pip reads constraints.txt, and `make lock` writes both.
# Options: PYTHON=/path/to/python3.12, ARGS="..." for the tool behind a target, and for chaos EVENTS=, SEED=, PARTITIONS=
# and CLUSTER=1. For fuzz SEED=, FUZZ_SECONDS= and GARBAGE_SECONDS=.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

EVENTS ?= 200000
SEED ?= 1
PARTITIONS ?= 1
CLUSTER ?= 0
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
# If uv is not on PATH, the targets that need it install their own.
OWN_UV := .venv-uv/bin/uv
uv := $(or $(UV),$(OWN_UV))
ALL_EXTRAS := embedded,apprise,oidc,otel,dev
comma := ,
PYTEST = pytest -m "not chaos and not image" --numprocesses auto --maxprocesses 4 --dist worksteal
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
# Debian ships ensurepip of venv separately, in python3-venv; uv does not need it.
FITS_ALONE := import ensurepip, venv; $(FITS)
ifeq ($(origin PYTHON),undefined)
PYTHON = $(eval PYTHON := $(find_python))$(PYTHON)
endif
find_python = $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c '$(if $(UV),$(FITS),$(FITS_ALONE))' 2>/dev/null && { echo "$$python"; break; }; done)

.PHONY: help up demo cluster-demo test coverage test-newest test-lowest check bench bench-check bench-peers chaos fuzz image-test package docs lock

help: ## list the targets
	@while IFS= read -r line; do case "$$line" in [a-z]*:*"## "*) \
		printf '  make %-12s %s\n' "$${line%%:*}" "$${line##*"## "}";; esac; done < Makefile

up: $(VENV)/.embedded ## start everything on this machine, an embedded Redis included
	@$(PY) -m hookline up $(ARGS)

demo: $(VENV)/.embedded ## show the main job with real webhooks, then stop
	@$(PY) -m hookline demo $(ARGS)

cluster-demo: $(VENV)/.embedded ## show on a cluster of six nodes that nothing is lost while it fails
	@$(PY) -m tools.cluster_demo $(ARGS)

test: $(VENV)/.dev ## run the tests
	@$(PY) -m $(PYTEST) $(ARGS)

# Measuring makes the tests take up to twice as long, so it is a separate target. sysmon is faster; Python 3.12 has it.
coverage: $(VENV)/.dev ## run the tests, and report the share of the lines that they run
	@$(PY) -m coverage erase
	@COVERAGE_CORE=$$($(PY) -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
		$(PY) -m $(PYTEST) --cov --cov-report= $(ARGS); status=$$?; \
		total=$$($(PY) -m coverage report --format=total) && echo "coverage: $$total % of the lines"; exit $$status

test-newest: $(uv) ## run the tests with the newest versions that the ranges in pyproject.toml allow
	$(call test_in,.venv-newest,highest)

test-lowest: $(uv) ## run the tests with the lowest versions that the ranges allow
	$(call test_in,.venv-lowest,lowest-direct)

check: $(VENV)/.dev ## check format, lint, types and imports between packages
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) $(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/.dev ## measure, and compare with the goals
	@$(PY) -m benchmarks $(ARGS)

# Instructions do not depend on the processor or on other work, as time does. ARGS=--record records them anew.
bench-check: $(VENV)/.dev ## count the instructions of the hot paths, and compare them with the recorded counts
	@$(PY) -m benchmarks.instructions $(ARGS)

bench-peers: $(VENV)/.dev ## compare, the whole way, with what a user would build or pick (installs peers into .bench-peers)
	@$(PY) -m benchmarks.peers $(ARGS)

chaos: $(VENV)/.dev ## inject faults into the whole stack, then audit it (EVENTS= SEED= PARTITIONS= CLUSTER=1)
	@EVENTS="$(EVENTS)" SEED="$(SEED)" PARTITIONS="$(PARTITIONS)" CLUSTER="$(CLUSTER)" $(PY) -m pytest -m chaos -s $(ARGS)

# CI is unset because it makes the tests choose the same inputs each time, and the SEED of chaos is not used.
fuzz: $(VENV)/.dev ## look for inputs that break a property: fuzzers, garbage in Redis, many examples (SEED=)
	@SEED="$(if $(filter file,$(origin SEED)),$$(date +%s),$(SEED))" env -u CI \
		$(PY) -m pytest -m chaos -s tests/chaos/test_fuzzers.py tests/fuzz $(ARGS)
	@env -u CI $(PY) -m pytest -m hypothesis --hypothesis-profile="many new examples" $(ARGS)

image-test: $(VENV)/.dev ## build the image with buildah and run its services (needs root, buildah and debootstrap)
	@$(PY) -m pytest -m image -rs tests/deploy/image $(ARGS)

package: $(VENV)/.dev ## build the wheel and the sdist into dist/, and check them as the package index would
	@rm -rf dist
	@$(PY) -m hatchling build
	@$(PY) -m twine check --strict dist/*

docs: $(VENV)/.dev ## write what is made from the code: pages of settings, metrics and keys, table of providers, OpenAPI, picture
	@$(PY) -m tools.configuration
	@$(PY) -m tools.metrics
	@$(PY) -m tools.keys
	@$(PY) -m tests.sources.providers.evidence
	@$(PY) -m tools.openapi
	@$(PY) -m tools.architecture_picture

# The index is given, so that the lock does not depend on the index of this machine.
lock: $(uv) ## write uv.lock and constraints.txt with the newest versions that the ranges allow
	@$(uv) lock --quiet --upgrade --no-config --default-index https://pypi.org/simple
	@$(uv) export --quiet --frozen --no-config --all-extras --all-groups --no-emit-project --no-hashes --no-annotate \
		--no-header --output-file constraints.txt >/dev/null

# Install again if a stamp is older than pyproject.toml or the lock. Recreate the environment if its interpreter is gone.
$(VENV)/.embedded: EXTRAS := embedded
$(VENV)/.dev: EXTRAS := $(ALL_EXTRAS)
$(VENV)/.embedded $(VENV)/.dev: pyproject.toml uv.lock constraints.txt
	@$(PY) -c '$(FITS)' 2>/dev/null || { $(call new_venv,$(VENV)); }
	@echo "installing hookline[$(EXTRAS)] into $(VENV)"
	@$(install)
	@: > $(VENV)/.embedded; : > $@

ifneq ($(shell $(PY) -c '$(FITS)' 2>/dev/null && echo fits),fits)
endif

no_python := No Python 3.11 to 3.14 found (on Debian and Ubuntu it needs python3-venv too). \
	Install one, or give its path: make test PYTHON=/path/to/python3.12
bad_python = $(PYTHON) is not a Python 3.11 to 3.14 that can make a virtual environment.

ifdef UV
new_venv = $(make_venv)
# The build tools are locked too: they come from the environment, not from the index.
install = UV_PROJECT_ENVIRONMENT=$(VENV) $(uv) sync --quiet --frozen --inexact --python $(PY) \
	--group build --no-build-isolation-package hookline $(patsubst %,--extra %,$(subst $(comma), ,$(EXTRAS)))
else
new_venv = $(if $(PYTHON),"$(PYTHON)" -c '$(FITS_ALONE)' 2>/dev/null \
	|| { echo "$(bad_python)" >&2; exit 1; }; "$(PYTHON)" -m venv --clear $(1),echo "$(no_python)" >&2; exit 1)
install = $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; \
	$(locked) $(PY) -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
endif
# If uv has to install a Python, it is one that CI tests with.
make_venv = $(uv) venv --quiet --clear --python "$(or $(PYTHON),>=3.11,<3.14)" $(1)
# The first constrains installed packages and, until pip 25.2, the build tools; since pip 25.3 the second does that.
locked := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt

$(OWN_UV): constraints.txt
	@$(call new_venv,.venv-uv)
	@$(locked) .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

# These environments are recreated each time, because each release of a dependency changes what belongs in them.
define test_in
@$(make_venv)
@echo "installing hookline[$(ALL_EXTRAS)] into $(1), resolution $(2)"
@$(uv) pip install --quiet --python $(1)/bin/python --resolution $(2) --editable ".[$(ALL_EXTRAS)]"
@$(1)/bin/python -m tests.project.versions
@$(1)/bin/python -m $(PYTEST) $(ARGS)
endef
