# kshot_viz: a machine needs Python 3.11-3.14, make and git; everything else is fetched from here.
#
# What is fetched stays in .tools (a private uv), in .venv (the environment) and in uv's own cache;
# the system's Python is never changed. Each step is stamped at its very end, so what was
# interrupted is done again, and what is done is not repeated. GNU make 3.81 (macOS) is enough.

# An interpreter by name or path; without it the newest suitable one is taken.
PYTHON ?=
# More arguments for the command behind demo, the tests, lab, docs, lock and bench.
ARGS ?=
# Test processes: one per core, at most four.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); test $$n -le 4 || n=4; echo $$n)

bin     := .venv/bin
uv      := .tools/bin/uv
tools   := .tools/ready
runtime := .venv/runtime-ready
develop := .venv/develop-ready
oldest  := .venv-oldest

# uv takes the interpreter that is there and never downloads another one.
export UV_PYTHON_DOWNLOADS := never
# Compiling torch and its company at every start of a worker would take longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-fast test-oldest test-wheel lint browser format lab docs package lock bench clean

help: ## this list
	@echo "make TARGET [ARGS='...'] [PYTHON=python3.12]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

setup: $(runtime) ## install what running needs, into .venv
	@echo "kshot_viz is ready in .venv, with $$($(bin)/python -V)."

demo: $(runtime) ## the guided example; writes runs/demo
	@$(bin)/kshot-viz demo --out runs/demo $(ARGS)

test: lint browser ## all that CI checks: style, types, every test
	@$(pytest) -m "not online" $(ARGS)

test-fast: $(develop) ## the tests that take a few seconds at most
	@$(pytest) -m "not slow and not online" $(ARGS)

test-oldest: $(tools) ## the fast tests with the oldest versions allowed, in .venv-oldest
	@p='$(made-with)'; test -n "$$p" || { $(find-python); }; \
	$(uv) venv --quiet --clear --python "$$("$$p" -c 'import sys; print(sys.executable)')" $(oldest)
	@$(uv) pip install --python $(oldest)/bin/python --resolution lowest-direct --editable '.[dev]'
	@OMP_NUM_THREADS=1 MPLBACKEND=agg $(oldest)/bin/python -m pytest -q -n $(JOBS) \
	    --dist worksteal -m "not slow and not online" $(ARGS)

test-wheel: $(tools) ## the wheel in an empty environment: demo, lab, dashboard
	@p='$(made-with)'; test -n "$$p" || { $(find-python); }; \
	"$$p" tests/wheel.py --uv $(uv) $(ARGS)

lint: $(develop) ## check style and types
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy

# Browser tests use the system's Chromium. Only root installs it, or CI; else they are skipped.
browser: ## install Chromium, as root or in CI
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	    || command -v google-chrome >/dev/null || ! command -v apt-get >/dev/null || { \
	    if test "$$(id -u)" = 0; then as=; elif test -n "$$CI"; then as="sudo -n"; else exit 0; fi; \
	    echo "Installing Chromium for the browser tests."; export DEBIAN_FRONTEND=noninteractive; \
	    { $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends \
	        chromium fonts-dejavu-core; } >/dev/null 2>&1 \
	    || echo "Chromium could not be installed." >&2; }

format: $(develop) ## put the code into shape
	@$(bin)/ruff check --fix .
	@$(bin)/ruff format .

lab: $(runtime) ## open JupyterLab on the first notebook
	@$(bin)/python -m jupyterlab notebooks/00_start_here.ipynb $(ARGS)

docs: $(develop) ## the documentation site, in site/html; notebooks run once
	@$(bin)/python -m sphinx -W --keep-going -q -b html -c docs/site -d site/doctrees . site/html $(ARGS)
	@echo "Open site/html/index.html."

package: $(develop) ## wheel and sdist in dist/, checked
	@rm -rf dist; PATH="$(CURDIR)/.tools/bin:$$PATH" $(bin)/python -m build --installer uv --quiet --outdir dist .
	@$(bin)/twine check --strict dist/*
	@$(bin)/check-wheel-contents dist/*.whl
	@$(bin)/pyroma --quiet --min 10 --skip-tests $(unknown) dist/*.tar.gz

# No address of the repository and no person's mail is in it: whoever publishes adds both.
unknown = AuthorEmail,Url

lock: $(tools) ## write both locks again; ARGS=--upgrade moves to newer versions
	@$(compile) pyproject.toml --output-file requirements.lock $(ARGS)
	@$(compile) pyproject.toml --extra dev --constraints requirements.lock \
	    --output-file requirements-dev.lock $(ARGS)

bench: $(runtime) ## run every script in benchmarks/
	@for script in benchmarks/*.py; do \
	    echo "== $$script"; $(bin)/python "$$script" $(ARGS) || exit 1; done

clean: ## remove what make made (.venv, .tools, caches); runs/ stays
	rm -rf .venv .venv-oldest .tools dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One compute thread per process: two on a busy machine are many times slower than one. Tests of a
# module stay together, so that what they share is made once; who is done takes from the others.
pytest = OMP_NUM_THREADS=1 MPLBACKEND=agg $(bin)/python -m pytest -q -n $(JOBS) --dist worksteal

# A lock holds for every Python and system: this machine's choice of torch must not enter it.
compile = env -u UV_TORCH_BACKEND $(uv) pip compile -q --universal --python-version 3.11 \
    --custom-compile-command "make lock"

# ---- set-up ---------------------------------------------------------------------------------

# Leaves the interpreter in $p; a shim that does not run is passed over.
candidates  = $(if $(PYTHON),"$(PYTHON)",python3.14 python3.13 python3.12 python3.11 python3)
suitable   := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
find-python = for p in $(candidates); do \
        "$$p" -c '$(suitable)' 2>/dev/null && break; \
        v=$$("$$p" -V 2>/dev/null) && seen="$$seen $$p ($$v),"; p=; done; \
    test -n "$$p" || { echo "kshot_viz needs Python 3.11, 3.12, 3.13 or 3.14; found$${seen:- none,}" \
        "so install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }

# A venv where the interpreter can make one, else pip's --target: both put uv into .tools/bin.
$(tools):
	@rm -rf .tools; $(find-python); echo "Fetching uv, the installer, into .tools (20 MB)."; \
	if "$$p" -m venv .tools >/dev/null 2>&1; then set -- .tools/bin/python -m pip install; \
	elif "$$p" -m pip --version >/dev/null 2>&1; then \
	    rm -rf .tools; set -- "$$p" -m pip install --target .tools; \
	else \
	    need=$$("$$p" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	    rm -rf .tools; echo "$$p has neither venv nor pip: install the system package $$need" \
	        "(Debian, Ubuntu: apt install $$need), then call make again." >&2; exit 1; fi; \
	"$$@" --quiet --no-cache-dir --disable-pip-version-check "uv>=0.8,<1" || { \
	    echo "uv could not be installed: is this machine online?" >&2; exit 1; }
	@touch $@

# The stamp says which interpreter was taken. The environment is made anew if that is gone, if a
# set-up was interrupted, or if PYTHON= names another one.
made-with := $(shell test -x $(bin)/python && cat $(runtime) 2>/dev/null)
ifneq ($(made-with),$(or $(PYTHON),$(made-with),none))
anew := yes
.PHONY: $(runtime)
endif

# The locks are constraints, so that a torch chosen by UV_TORCH_BACKEND need not bring CUDA along.
install = $(uv) pip install --python $(bin)/python

$(runtime): pyproject.toml requirements.lock | $(tools)
	@rm -f $(runtime) $(develop); p='$(made-with)'; \
	if test -n "$(anew)"; then $(find-python); $(announce); \
	    $(uv) venv --quiet --clear --prompt kshot_viz .venv \
	        --python "$$("$$p" -c 'import sys; print(sys.executable)')" || exit 1; fi; \
	$(install) --constraints requirements.lock --editable . && echo "$$p" > $@

$(develop): requirements-dev.lock $(runtime)
	@rm -f $@
	@$(install) --constraints requirements-dev.lock --editable '.[dev]'
	@touch $@

# Measured on Linux with the locks of 0.1.0 and an empty cache; CUDA is most of it. The light set-up
# is an estimate.
light    = $(filter cpu Darwin,$(UV_TORCH_BACKEND) $(shell uname -s))
volume   = $(if $(light),0.5 GB to download and 1.6 GB on disk,3.2 GB to download and 6.2 GB on disk)
minutes  = $(if $(light),1 minute,5 minutes)
announce = echo "Setting up .venv with $$("$$p" -V), once: up to $(volume)," \
    "about $(minutes) at 100 Mbit/s."
