# make lab     make .venv, install the course, open JupyterLab on your copy of the first lesson, in my_notebooks/
# make test    make .venv where it is missing, then run every check
# make test-unit   only the tests that start no process: seconds
# What the settings do: LABFLAGS="--no-browser --port=9999" goes to JupyterLab; LESSON=notebooks/03_ddp.ipynb opens that
# file itself, not a copy; PYTHON=python3.12 names the Python to make .venv with; TORCH=cpu or TORCH=gpu where the
# automatic choice (is there an NVIDIA driver?) is not the wanted one; EXTRA=serving adds vLLM for lesson 08 (0.7 GB).

PYTHON ?= python3
TORCH ?= auto
EXTRA ?=
LABFLAGS ?=
PYTESTFLAGS ?=
LESSON ?= my_notebooks/01_setup_verification.ipynb
NOTEBOOKS ?= $(sort $(wildcard notebooks/*.ipynb notebooks/solutions/*.ipynb))

VENV_PYTHON := .venv/bin/python
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
	--nbval-cell-timeout=300 --nbval-kernel-startup-timeout=180

# An empty HOME would make programs write into a folder named ~ here; without HOME they ask the system for it.
ifeq ($(strip $(HOME)),)
unexport HOME
endif

.PHONY: lab test test-unit notebooks format bench clean install install-test install-bench check-python

lab: install
	@$(VENV_PYTHON) tools/working_copy.py
	$(VENV_PYTHON) -m jupyterlab $(AS_ROOT) --LabApp.default_url=/lab/tree/$(LESSON) $(LABFLAGS)

test: install-test
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) tools/ruff_ranks.py
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m pytest $(NBVAL) $(PYTESTFLAGS) tests notebooks

test-unit: install-test
	$(VENV_PYTHON) -m pytest $(PYTESTFLAGS) tests/unit

# Execute the notebooks again, each from a fresh kernel, and keep nothing of this machine in them.
notebooks: install-test
	$(VENV_PYTHON) tools/execute.py $(NOTEBOOKS)

format: install-test
	$(VENV_PYTHON) -m ruff format .
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) tools/ruff_ranks.py --fix

bench: install-bench
	for script in benchmarks/*.py; do $(VENV_PYTHON) "$$script" || exit 1; done

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install: check-python
	@"$(PYTHON)" tools/install.py --torch $(TORCH) $(addprefix --extra ,$(EXTRA))

install-test: check-python
	@"$(PYTHON)" tools/install.py --torch $(TORCH) $(addprefix --extra ,$(EXTRA)) --extra test

install-bench: check-python
	@"$(PYTHON)" tools/install.py --torch $(TORCH) $(addprefix --extra ,$(EXTRA)) --extra bench

# Its own step, since an old Python cannot even read tools/install.py.
check-python:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "mgpu_lab: $(PYTHON) not found: install Python 3.11 or newer, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("mgpu_lab: Python 3.11 or newer is needed,\
	 $(PYTHON) is %d.%d: install one, or name it: make PYTHON=python3.12 ..." % sys.version_info[:2])'
