# Each target makes the virtual environment and installs strmctl into it when needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo reproduce reproduce-real test test-fast lint format clean

demo: $(STAMP)
	$(BIN)/strmctl demo

# Section 4 of the paper on sprites: 23 trainings and their tests; it goes on where it was killed.
reproduce: $(STAMP)
	$(BIN)/strmctl prepare sprites
	$(BIN)/strmctl ablate all --recipe sprites --seeds 0,1,2 --jobs 2 --threads 1
	$(BIN)/strmctl report sprites-components sprites-cardinality sprites-tuples sprites-shots --out report

# Real video, JHMDB: the folder of its class folders is VIDEOS. It goes on where it was killed.
REAL := --recipe jhmdb_lite --seeds 0,1,2 --distinct-groups --jobs 2 --threads 1
reproduce-real: $(STAMP)
	@test -d "$(VIDEOS)" || { echo "say where the videos are: make reproduce-real VIDEOS=DIR (DIR/<class>/<clip>.avi)"; exit 2; }
	$(BIN)/python -m pip install --quiet --editable '.[lite]'
	$(BIN)/strmctl prepare jhmdb --videos "$(VIDEOS)"
	$(BIN)/strmctl ablate components $(REAL)
	$(BIN)/strmctl ablate custom reports/real/methods.yaml $(filter-out --distinct-groups,$(REAL))
	$(BIN)/strmctl report jhmdb_lite-methods --out report-real/shared-sources
	$(BIN)/strmctl ablate custom reports/real/methods.yaml $(REAL)
	$(BIN)/strmctl ablate folds --cells reports/real/methods.yaml --frame-orders natural,shuffled,repeated $(REAL)
	$(BIN)/strmctl report jhmdb_lite-components jhmdb_lite-methods jhmdb_lite-3-folds --out report-real

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

# Without slow tests and files of tests (over five seconds), on all cores.
test-fast: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto $(PYTEST_OPTIONS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .venv-ci build *.egg-info .pytest_cache .ruff_cache
