# Every target but help and clean first makes .venv with the pinned packages, once.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup demo table2 report test test-dependencies test-cluster fuzz wheel lint check defects bench bench-gpu soak published docs clean

PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
RESOLUTION ?= lowest-direct
FUZZ ?= 10
WORKERS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
RUN := .venv/bin/python -m benchmark
DEMO := out/demo
DIGITS := --stream permuted-digits --stream rotated-digits --stream split-digits

help:  ## list the targets (the default)
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

setup: .venv/installed  ## make .venv with the pinned packages; nothing else

.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "installing the pinned packages into .venv, once (a few minutes)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c requirements.lock -e '.[test,docs]'
	@touch $@

demo: .venv/installed  ## six methods x three streams of handwritten digits x 5 seeds: table and figure, a minute
	@$(RUN) run $(DIGITS) --results $(DEMO)
	@$(RUN) table $(DIGITS) --results $(DEMO) --figure $(DEMO)/accuracy

table2: .venv/installed  ## the paper's table at full scale: runs what results/ lacks, goes on where it stopped
	@$(RUN) run --results results
	@for format in md csv json; do $(RUN) table --results results --output results/table2.$$format; done
	@$(RUN) table --results results --insert README.md --figure results/accuracy --heatmaps results/heatmap

report: .venv/installed  ## everything the records say on one page, out/report.html
	@$(RUN) report --results results --output out/report.html

test: .venv/installed  ## the tests, one process a core (WORKERS=N); those on real data need BENCHMARK_DATA=DIR
	@.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile -p no:benchmark

# An environment of its own, .venv-dependencies, so that the pinned one stays as it is.
test-dependencies:  ## the tests with the oldest dependencies that pyproject.toml allows (RESOLUTION=highest: the newest)
	@$(PYTHON) -m venv --clear .venv-dependencies
	@.venv-dependencies/bin/python -m pip install --quiet --disable-pip-version-check uv
	@.venv-dependencies/bin/uv pip install --quiet --python .venv-dependencies --resolution $(RESOLUTION) -e '.[test]'
	@.venv-dependencies/bin/python -m pytest -n $(WORKERS) --dist loadfile -p no:benchmark -m 'not browser and not packaging'

fuzz: .venv/installed  ## the tests of random inputs with FUZZ=10 times as many, others each time
	@FUZZ=$(FUZZ) .venv/bin/python -m pytest -k fuzz -n $(WORKERS) --dist load -p no:benchmark

wheel: .venv/installed  ## the package as a wheel and an sdist, in out/dist
	@.venv/bin/python -m build --no-isolation --outdir out/dist > /dev/null

test-cluster: .venv/installed  ## the tests of Ray and Slurm (submitit), on this machine alone; installs both first
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[ray,slurm]'
	@.venv/bin/python -m pytest tests/runs/test_ray.py tests/runs/test_slurm.py tests/runs/test_executors.py

lint: .venv/linters  ## faults, layout, types, layers of imports and spelling; changes nothing
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/typos

.venv/linters: .venv/installed
	@.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c requirements.lock -e '.[lint]'
	@touch $@

check: .venv/installed  ## small cells against their references, the committed tables against their records
	@$(RUN) check

defects: .venv/installed  ## plant defects in a copy of the project: tests or check must catch each
	@.venv/bin/python -m tests.tools.planted_defects

bench: .venv/installed  ## time a step beside Avalanche's and a plain loop's; needs BENCHMARK_DATA=DIR, idle cores
	@mkdir -p out results
	@.venv/bin/python -m pytest tests/speed -o python_files='bench_*.py' -o python_functions='bench_*' \
	  -W ignore -rs --benchmark-quiet --benchmark-json=out/bench.json
	@.venv/bin/python -m tests.speed.report out/bench.json results docs/performance.md docs/scaling.md

bench-gpu: .venv/installed  ## the same on a GPU, and the whole table there; needs a GPU and BENCHMARK_DATA=DIR
	@for part in steps seeds table show; do .venv/bin/python -m tests.speed.gpu $$part || exit; done

soak: .venv/installed  ## the demo again and again for SOAK_MINUTES=30: nothing may leak, no record be unsound
	@.venv/bin/python -m tests.tools.soak

published: .venv/installed  ## what the published code itself gives; needs BENCHMARK_DATA=DIR, half an hour
	@.venv/bin/python -m tests.tools.published results/published.json docs/reproduction.md

docs: .venv/installed  ## the documentation as a site, out/site/index.html
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. .venv/bin/python -m mkdocs --quiet build --strict --config-file docs/site/mkdocs.yml

clean:  ## remove the demo's output and caches; records and .venv stay
	@rm -rf out build *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	@find benchmark methods tests -name __pycache__ -type d -prune -exec rm -rf {} +
