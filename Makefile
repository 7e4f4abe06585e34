# Beyond Classification: `make lab` for learners, `make demo` to see everything run, `make test` for developers.
# Every target sets up .venv first; nothing outside this folder is installed or changed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
READY  := $(VENV)/.ready

# nbgrader calls some of its tools by name, so the environment's programs must be on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Gigabytes that the packages take: on Linux torch brings its CUDA libraries.
ROOM := $(if $(filter Linux,$(shell uname)),7,2)

.PHONY: setup lab demo test test-long labs checkpoints bench bench-grading lock clean clean-cache

setup: $(READY)

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --target .tools uv

$(READY): requirements.lock pyproject.toml | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 setup")'
	@$(PYTHON) -c 'import shutil; free = shutil.disk_usage(".").free / 1e9; free < $(ROOM) and print(f"Only {free:.1f} GB are free here; the packages take up to $(ROOM) GB.")'
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@
	@echo "Ready. Next: make lab"

# In a container one is often root, which Jupyter refuses unless told otherwise.
lab: setup
	$(BIN)/jupyter lab labs $(if $(filter 0,$(shell id -u)),--allow-root)

demo: setup
	$(BIN)/autograder demo

test: setup
	$(BIN)/python -m pytest

# The attack, kill and fuzz suites at full length: about twenty minutes on two cores.
test-long: setup
	AUTOGRADER_LONG=1 $(BIN)/python -m pytest tests/autograder/isolation tests/autograder/grading tests/autograder/notebooks

labs: setup
	$(BIN)/autograder release

checkpoints: setup
	$(BIN)/python -m detseg.training.checkpoint

bench: setup
	$(BIN)/python -m detseg.benchmark

bench-grading: setup
	$(BIN)/python -m autograder.grading.benchmark

lock: pyproject.toml | $(UV)
	$(UV) pip compile --quiet --universal --generate-hashes --all-extras pyproject.toml --output-file requirements.lock

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache

clean-cache: | $(UV)
	$(UV) cache clean
