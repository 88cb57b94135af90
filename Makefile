# Needs Python 3.11, 3.12 or 3.13 and nothing else; takes uv where it is on PATH. `make help` lists the targets.
# Options: PYTHON=/path/to/python3.12, ARGS="..." for the tool behind a target, EVENTS= and SEED= for chaos.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

EVENTS ?= 200000
SEED ?= 1
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# Debian splits venv's ensurepip off into python3-venv; uv does without it.
FITS_ALONE := import ensurepip, venv; $(FITS)
ifeq ($(origin PYTHON),undefined)
PYTHON = $(eval PYTHON := $(find_python))$(PYTHON)
endif
find_python = $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c '$(if $(UV),$(FITS),$(FITS_ALONE))' 2>/dev/null && { echo "$$python"; break; }; done)

.PHONY: help up demo test check bench chaos

help: ## this list
	@while IFS= read -r line; do case "$$line" in [a-z]*:*"## "*) \
		printf '  make %-6s %s\n' "$${line%%:*}" "$${line##*"## "}";; esac; done < Makefile

up: $(VENV)/.embedded ## start everything on this machine, an embedded Redis included
	@$(PY) -m launcher up $(ARGS)

demo: $(VENV)/.embedded ## show the main job with real webhooks, then stop
	@$(PY) -m launcher demo $(ARGS)

test: $(VENV)/.dev ## run the tests
	@$(PY) -m pytest -m "not chaos" --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

check: $(VENV)/.dev ## check format, lint, types and who imports whom
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) $(VENV)/bin/lint-imports --no-logo

bench: $(VENV)/.dev ## measure, and compare with the goals
	@$(PY) -m benchmarks $(ARGS)

chaos: $(VENV)/.dev ## torment the whole stack, then audit it (EVENTS=200000 SEED=1)
	@EVENTS="$(EVENTS)" SEED="$(SEED)" $(PY) -m pytest -m chaos -s $(ARGS)

# A stamp is older than pyproject.toml: install again. The interpreter is gone: make the environment anew.
$(VENV)/.embedded: EXTRAS := embedded
$(VENV)/.dev: EXTRAS := embedded,apprise,dev
$(VENV)/.embedded $(VENV)/.dev: pyproject.toml
	@$(PY) -c '$(FITS)' 2>/dev/null || { $(new_venv); }
	@echo "installing hookline[$(EXTRAS)] into $(VENV)"
	@$(install)
	@: > $(VENV)/.embedded; : > $@

ifneq ($(shell $(PY) -c '$(FITS)' 2>/dev/null && echo fits),fits)
.PHONY: $(VENV)/.embedded $(VENV)/.dev
endif

no_python := No Python 3.11 to 3.13 found (on Debian and Ubuntu it needs python3-venv too). \
	Install one, or name it: make test PYTHON=/path/to/python3.12
bad_python = $(PYTHON) is not a Python 3.11 to 3.13 that can make a virtual environment.

ifdef UV
new_venv = uv venv --quiet --clear --python "$(or $(PYTHON),>=3.11,<3.14)" $(VENV)
install = uv pip install --quiet --python $(PY) --editable ".[$(EXTRAS)]"
else
new_venv = $(if $(PYTHON),"$(PYTHON)" -c '$(FITS_ALONE)' 2>/dev/null \
	|| { echo "$(bad_python)" >&2; exit 1; }; "$(PYTHON)" -m venv --clear $(VENV),echo "$(no_python)" >&2; exit 1)
install = $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; \
	$(PY) -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
endif
