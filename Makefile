# Each target makes the virtual environment and installs strmctl into it when needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo docs reproduce reproduce-real reproduce-methods reproduce-real-methods reproduce-classify test test-fast lint format clean

demo: $(STAMP)
	$(BIN)/strmctl demo

# The documentation as a site, site/index.html; nothing on it is fetched from elsewhere. Its search needs a server:
# python3 -m http.server --directory site
docs: $(STAMP)
	$(BIN)/python -m mkdocs build --strict --quiet

# Section 4 of the paper on sprites: 23 trainings and their tests; it goes on where it was killed.
ATTENTION := trm trx trm-ple trm-fle trm-ple-fle strm
reproduce: $(STAMP)
	$(BIN)/strmctl prepare sprites
	$(BIN)/strmctl ablate all --recipe sprites --seeds 0,1,2 --jobs 2 --threads 1
	$(BIN)/strmctl report sprites-components sprites-cardinality sprites-tuples sprites-shots --out report
	$(BIN)/python reports/sprites/attention.py report/attention.md $(ATTENTION:%=sprites-%-s0)

# Real video: all of reports/real, from the folder of JHMDB's class folders. It goes on where it was killed.
REAL := --recipe jhmdb_lite --seeds 0,1,2 --jobs 2 --threads 1
METHODS := reports/real/methods.yaml
# A picture of attention would show frames of the videos.
REPORT := --no-attention
reproduce-real: $(STAMP)
	@test -d "$(VIDEOS)" || { echo "where are the videos? make reproduce-real VIDEOS=DIR, with DIR/<class>/<clip>.avi"; exit 2; }
	$(BIN)/python -m pip install --quiet --editable '.[lite]'
	$(BIN)/strmctl prepare jhmdb --videos "$(VIDEOS)"
	$(BIN)/strmctl ablate custom $(METHODS) $(REAL)
	$(BIN)/strmctl report jhmdb_lite-methods $(REPORT) --out report/real/shared-sources
	$(BIN)/strmctl ablate custom $(METHODS) $(REAL) --distinct-groups
	$(BIN)/strmctl ablate components $(REAL) --distinct-groups
	$(BIN)/strmctl ablate folds --cells reports/real/folds.yaml --frame-orders natural,shuffled,repeated $(REAL) --distinct-groups
	$(BIN)/strmctl report jhmdb_lite-methods jhmdb_lite-components jhmdb_lite-3-folds $(REPORT) --out report/real
	$(BIN)/strmctl ablate custom reports/real/tuned.yaml --recipe jhmdb_lite --seeds 0,1,2 --distinct-groups
	$(BIN)/strmctl report jhmdb_lite-tuned $(REPORT) --out report/real/tuned

# Every method on sprites: reports/sprites/methods.md. It goes on where it was killed.
reproduce-methods: $(STAMP)
	$(BIN)/strmctl prepare sprites
	$(BIN)/strmctl ablate custom reports/all_methods.yaml --recipe sprites --seeds 0,1,2 --jobs 2 --threads 1
	mkdir -p report
	$(BIN)/strmctl bench methods --recipe sprites --threads 1 --json > report/methods.json
	$(BIN)/python reports/methods.py runs sprites-all_methods report/methods.md --bench report/methods.json

# Every method on real video: reports/real/methods.md. TEAM and ARN take hours on a CPU; on a GPU: JOBS=12.
JOBS := 2
EVERY := --recipe jhmdb_lite --seeds 0,1,2 --distinct-groups --jobs $(JOBS) --threads 1
reproduce-real-methods: $(STAMP)
	@test -d "$(VIDEOS)" || { echo "where are the videos? make reproduce-real-methods VIDEOS=DIR, with DIR/<class>/<clip>.avi"; exit 2; }
	$(BIN)/python -m pip install --quiet --editable '.[lite]'
	$(BIN)/strmctl prepare jhmdb --videos "$(VIDEOS)"
	$(BIN)/strmctl ablate custom reports/all_methods.yaml $(EVERY)
	$(BIN)/strmctl ablate folds --cells reports/all_methods.yaml --name jhmdb_methods $(EVERY)
	mkdir -p report
	$(BIN)/strmctl bench methods --recipe jhmdb_lite --threads 1 --json > report/methods.json
	$(BIN)/python reports/methods.py runs jhmdb_lite-all_methods report/methods.md --bench report/methods.json --folds jhmdb_methods-3-folds

# What classify gets right on real video: reports/real/classify.md. Clips that are embedded are kept.
reproduce-classify: $(STAMP)
	@test -d "$(VIDEOS)" || { echo "where are the videos? make reproduce-classify VIDEOS=DIR, with DIR/<class>/<clip>.avi"; exit 2; }
	$(BIN)/python -m pip install --quiet --editable '.[lite]'
	$(BIN)/python reports/real/classify.py "$(VIDEOS)" report/real/classify.md

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
	rm -rf $(VENV) .venv-ci build site *.egg-info .pytest_cache .ruff_cache
