# Needs python3 (3.11.4 or newer), git, make and a package index. Everything is installed into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
UV := 0.13.9
LOCK := uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --quiet
ON_RAY := tests/cluster tests/train/test_cluster.py tests/preprocess/test_preprocess_on_ray.py \
	tests/stages/test_sweep_on_ray.py tests/cli/test_sweep.py tests/chaos tests/benchmarks/test_halving.py
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export PYTHONUTF8 := 1
export NO_MKDOCS_2_WARNING := 1
unexport PYTHONDONTWRITEBYTECODE # some container images set it, and every import then compiles its sources again

help: ## show this text
	@awk -F ':.*## ' '/^## / {print "\n" substr($$0, 4)} /^[a-z0-9-]+:.*## / {printf "  %-16s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11, 4) and f"error: $(PYTHON) is {v}; 3.11.4 or newer is needed: make PYTHON=python3.12")'
	@test ! -e .venv/installing || rm -rf .venv # an interrupted install leaves package names without files
	@test -x .venv/bin/uv || { $(PYTHON) -m venv --clear .venv && .venv/bin/python -m pip install --quiet uv==$(UV); }
	@touch .venv/installing
	uv pip sync --python .venv/bin/python --require-hashes requirements.lock
	uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@rm .venv/installing
	@touch $@

# Beside requirements.lock's, the same packages with the oldest Ray.
.venv/oldest/installed: .venv/installed
	uv venv --quiet --clear --python .venv/bin/python .venv/oldest
	uv pip sync --quiet --python .venv/oldest/bin/python --require-hashes requirements.lock
	uv pip install --quiet --python .venv/oldest/bin/python --no-deps "$$(sed -n 's/.*"\(ray\[train\]\)>=\(.*\)",/\1==\2/p' pyproject.toml)"
	uv pip install --quiet --python .venv/oldest/bin/python --no-deps --no-build-isolation --editable .
	uv pip check --quiet --python .venv/oldest/bin/python
	@touch $@

## Use it

setup: .venv/installed ## install requirements.lock into .venv
	@git rev-parse --git-dir >/dev/null 2>&1 || dvc config --quiet --local core.no_scm true # an archive of a release

repro: setup ## run the pipeline that params.yaml describes; writes report/index.html
	@sresnet check
	dvc --wait-for-lock repro
	@echo
	@sresnet results

docs: setup ## build the documentation into site/, strictly: dead links and missing docstrings fail
	python -m mkdocs build
	@echo "documentation: $$PWD/site/index.html"

wheel: setup ## build the network alone, package `sresnet`, into dist/, to install beside one's own code
	uv build --quiet --wheel --no-build-isolation --out-dir dist wheel
	@ls dist/*.whl

clean: ## remove everything that is generated, .venv too
	rm -rf .venv data artifacts records runs report site dist export .dvc/cache .dvc/tmp .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

## Check a change

check: setup ## check format, lint, types and spelling
	ruff format --check .
	ruff check .
	mypy
	codespell

test: setup ## run all tests but the long ones, in two processes
	python -m pytest -n 2 --dist loadfile

test-long: setup ## run the long tests: many random cases, all pairs of parts, a large network in Triton's interpreter
	python -m pytest -n 2 --dist loadfile -m long

test-oldest: .venv/oldest/installed ## run the tests that use Ray, with the oldest Ray that pyproject.toml allows
	.venv/oldest/bin/python -m pytest -n 2 --dist loadfile -m 'long or not long' $(ON_RAY)

test-changed: setup ## run the long tests and the fault matrix, if the code that they test changed within a day
	python -m tests.changed

same-weights: setup ## train profile quick again; compare its weights with dvc.lock, or with the previous commit
	python -m tests.walk.same_weights

audit-matrix: setup ## plant faults and record what finds each; writes docs/audit-matrix.md
	python -m tests.faults.matrix

fuzz: setup ## 100,000 damaged recordings through reading and framing; failures are kept in runs/fuzz
	python -m tests.fuzz --cases 100000

fuzz-reports: setup ## 20,000 damaged report folders through verify: each gives findings or one error, no traceback, no hang
	python -m tests.fuzz.reports --cases 20000

lock: ## update requirements.lock to the newest versions that pyproject.toml allows
	@test ! -e .venv/installing || rm -rf .venv # an interrupted install leaves package names without files
	@test -x .venv/bin/uv || $(MAKE) setup
	$(LOCK) --upgrade --output-file requirements.lock

## Try it where it can fail

places: setup ## test the pipeline in unusual paths, with core.autocrlf, in a worktree and without git
	python -m tests.walk.places

ends: setup ## test that a run leaves nothing behind, ended by each signal at each moment
	python -m tests.walk.ends

hosts: setup ## test the pipeline on three simulated hosts, with one cut off; compare digests
	python -m tests.walk.hosts

s3: setup ## test the pipeline over a local S3 server: push, wipe, pull, and nothing runs again
	python -m tests.walk.s3

autoscale: setup ## a sweep on a cluster that grows, against one of fixed size; writes results/autoscale.json
	python -m tests.walk.autoscale

chaos: setup ## kill workers, drivers and nodes, drain nodes, 20 times in one training; writes results/chaos.json
	python -m tests.chaos --kills 20 --seed 0

## Measure

bench: setup ## measure every speed of training, and write docs/training-speed.md (DATA=folder of CIFAR-10)
	python -m benchmarks.train_step
	python -m benchmarks.growth
	python -m benchmarks.epoch $(if $(DATA),--data $(DATA))
	python -m benchmarks.peers
	python -m benchmarks.speed_page

bench-gpu: setup ## measure a training and its steps on a GPU, and write the tables of docs/gpu.md
	python -m benchmarks.gpu

bench-precision: setup ## bfloat16 against float32: spikes and accuracy; writes results/bench-precision.json
	python -m benchmarks.precision

bench-study: setup ## measure step times of the study's parts, and fine-tuning from images to events; for docs/study.md
	python -m benchmarks.study
	python -m benchmarks.fine_tuning

bench-start: setup ## measure seconds from a command to its first step and its end; writes results/bench-start.json
	python -m benchmarks.start

bench-sweep: setup ## sresnet sweep against serial dvc repro, and with halving; writes results/bench-sweep.json, -halving.json
	python -m benchmarks.sweep
	python -m benchmarks.halving

bench-events: setup ## recordings to frames against other packages; writes results/bench-events.json (DATA=folder)
	python -m benchmarks.events $(if $(DATA),--data $(DATA))

bench-scaling: setup ## measure two workers against one, and plain DDP; writes results/bench-scaling.json and docs/scaling.md
	python -m benchmarks.scaling
	python -m benchmarks.scaling_model

.PHONY: help setup repro docs wheel clean check test test-long test-oldest test-changed same-weights audit-matrix fuzz fuzz-reports lock places ends hosts s3 autoscale chaos bench bench-gpu bench-precision bench-study bench-start bench-sweep bench-events bench-scaling
