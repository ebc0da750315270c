# The commands of this project. Each makes the environment in .venv first, when it is not there or out of date.
# Variables such as PORT and DATA_DIR pass through the environment: PORT=8001 make run (see .env.example).

UV := uv==0.13.9
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
PEER_VENV := .venv-peer
PEER_READY := $(PEER_VENV)/.ready
SYSTEM_PYTHON ?= python3
BROWSER ?= /usr/bin/chromium

.PHONY: run test check fix bench faults reset lock browser
.DEFAULT_GOAL := run

# What is compiled is kept, whatever the environment says: a service is six processes, a run of the tests hundreds, and
# each would compile Django and all else anew.
unexport PYTHONDONTWRITEBYTECODE

# The shell becomes the service, so that make, its parent, may be killed in any way and everything still ends.
run: $(READY)
	@exec $(PYTHON) manage.py run --end-with-starter $$PPID

# Each process of the tests has a database of its own; a file stays in one, since its tests may share a running service.
test: $(READY) browser
	@$(MAKE) --no-print-directory check
	$(PYTHON) -m pytest -n $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/mypy
	$(PYTHON) manage.py check --fail-level WARNING
	$(PYTHON) -W 'ignore:Got an error checking a consistent migration history:RuntimeWarning' \
	  manage.py makemigrations --check --dry-run

fix: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# With PEER=1 the peer of bench/peers.py is installed first; from then on it is measured each time.
bench: $(READY) $(if $(PEER),$(PEER_READY))
	$(PYTHON) -m bench

# The long forms of the fault tests; their short forms are part of `make test`.
faults: $(READY)
	@$(PYTHON) -m pytest -m faults || { test $$? = 5 && echo "There are no long fault tests yet."; }

reset: $(READY)
	@$(PYTHON) manage.py reset

# Hashes of every file, for this and newer Pythons; no address of any package index in it.
lock: $(READY)
	$(VENV)/bin/uv --version >/dev/null 2>&1 || $(PYTHON) -m pip install --quiet $(UV)
	$(VENV)/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" requirements.in -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(VENV)/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" bench/peer/requirements.in -o bench/peer/requirements.txt

# uv installs in seconds what takes pip half a minute; where uv cannot be had, pip does the same work.
$(READY): requirements.txt requirements-dev.txt
	@$(SYSTEM_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: SYSTEM_PYTHON=/path/to/python3.11 make run"; exit 1; }
	@echo "preparing $(VENV) ..."
	@test -x $(PYTHON) || $(SYSTEM_PYTHON) -m venv $(VENV) \
	  || { echo "no virtual environment can be made: on Debian, apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check $(UV) \
	  && $(VENV)/bin/uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements-dev.txt \
	  || $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $(READY)

$(PEER_READY): bench/peer/requirements.txt $(READY)
	@echo "preparing $(PEER_VENV) ..."
	@test -x $(PEER_VENV)/bin/python || $(PYTHON) -m venv $(PEER_VENV)
	@$(VENV)/bin/uv pip install --quiet --python $(PEER_VENV)/bin/python --require-hashes -r $< \
	  || $(PEER_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $(PEER_READY)

# The browser tests drive the system's Chromium. Where it cannot be installed they are skipped and say so,
# but never under CI=true.
browser:
	@test -x $(BROWSER) && exit 0; \
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  echo "installing chromium for the browser tests ..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium fonts-dejavu-core >/dev/null; \
	fi; \
	test -x $(BROWSER) && exit 0; \
	echo "There is no browser at $(BROWSER). As root: apt-get install chromium fonts-dejavu-core," \
	  "or BROWSER=/path/to/chromium make test."; \
	if test "$$CI" = true; then exit 1; fi; \
	echo "The browser tests will be skipped."
