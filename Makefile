# The real commands are in the recipes: `make demo` is what a district's night does, on a made-up district.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long check bench-night bench-console bench-model bench-publish bench-shap bench-state bench-delta bench-readers bench-fetch accuracy lock screenshots clean

PYTHON ?= python3
BIN := .venv/bin
SERVE ?= yes
WORKERS ?= 2
ATTENDANCE ?= both

help:
	@echo "make demo            a made-up district, a model trained on its past years, last night's flags printed, then the"
	@echo "                     console on 127.0.0.1:3000"
	@echo "make demo SERVE=no   the same, without the service"
	@echo "make test            checks and the test suite"
	@echo "make test-long       the tests that must be many, at full count"
	@echo "make screenshots     the pictures of the docs, taken on the walks of the browser tests (needs faketime)"
	@echo "make check           lint, format, types, import contracts"
	@echo "make bench-night     what a night costs, stage by stage, beside plain tools"
	@echo "make bench-model     what fitting and asking a model costs, beside plain LightGBM"
	@echo "make bench-publish   what publishing a night costs, beside the barest way to load its scores"
	@echo "make bench-console   how long pages take with people at work (STUDENTS=20000)"
	@echo "make bench-state     what a night over a state costs, beside duckdb and the usual script (STUDENTS=1100000)"
	@echo "make bench-delta     what a night costs that is given one day's rows, beside the whole year (STUDENTS, ATTENDANCE)"
	@echo "make bench-shap      what explaining every student costs, beside LightGBM's pred_contrib and shap.TreeExplainer"
	@echo "make bench-readers   what reading a OneRoster package costs, beside polars reading the same files"
	@echo "make bench-fetch     what fetching from an Ed-Fi API costs, beside the barest client (EVENTS=200000)"
	@echo "make accuracy        how accurate the model is on public data (docs/accuracy.md), beside plain models"
	@echo "make lock            requirements.lock, made anew from pyproject.toml (needs uv)"

# Complete only when the stamp is there: a cut-off install is done again.
.venv: .venv/installed
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cis_ews needs Python 3.11 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { echo "libgomp is missing (LightGBM needs it). Install it with:"; \
	  echo "  Debian, Ubuntu: apt-get install libgomp1     Fedora, RHEL: dnf install libgomp     macOS: brew install libomp"; exit 1; }
	@touch .venv/installed

# The store, the extract, the registry of models and the runs of the demo lie in demo/. AS_OF is the night that is scored.
# A model that learned from made-up students is for demonstration only.
# The night before is scored as well, so that the console has something to tell of what changed since.
AS_OF := 2026-02-27
NIGHT_BEFORE := 2026-02-26
demo: .venv
	@rm -rf demo && mkdir demo
	$(BIN)/cis-ews synthesize demo/extract --students 2400 --years 4 --seed 7 --through $(AS_OF)
	$(BIN)/cis-ews check demo/extract --as-of $(AS_OF) --store demo
	$(BIN)/python -m training demo/extract --config configs/training_demo.toml --store demo
	$(BIN)/python -m training promote --store demo
	@$(BIN)/cis-ews score demo/extract --as-of $(NIGHT_BEFORE) --out demo --model models:/cis-ews@champion >/dev/null
	$(BIN)/cis-ews score demo/extract --as-of $(AS_OF) --out demo --model models:/cis-ews@champion
	$(BIN)/cis-ews flags --run demo --top 10
	@echo "The run lies in $$(ls -d demo/runs/$(AS_OF)/*)"
ifneq ($(SERVE),no)
	@echo
	@echo "People of the demonstration alone; sign in on http://127.0.0.1:3000 (Ctrl-C ends the service):"
	@school=$$(grep ',high$$' demo/extract/schools.csv | cut -d, -f1); district=$$(tail -n 1 demo/extract/schools.csv | cut -d, -f2); \
	  password=$$($(BIN)/python -c 'from cis_ews.support.passwords import made_password; print(made_password())'); \
	  add() { email=$$1; shift; \
	    echo "$$password" | $(BIN)/cis-ews people add "$$email" "$$@" --password-stdin --store demo >/dev/null && echo "  $$email"; }; \
	  add coordinator@demo.example --name "Demo coordinator" --role coordinator --district "$$district" --school "$$school" && \
	  add manager@demo.example --name "Demo manager" --role district_manager --district "$$district" && \
	  add steward@demo.example --name "Demo data steward" --role data_steward --district "$$district" && \
	  add administrator@demo.example --name "Demo administrator" --role administrator && \
	  echo "  password of all of them: $$password"
	@echo "A key for school systems, which ask http://127.0.0.1:3000/v1/scores with it:"
	$(BIN)/cis-ews key create "$$(tail -n 1 demo/extract/schools.csv | cut -d, -f2)" --label demo --store demo
	CIS_EWS_STORE__PATH=demo CIS_EWS_MODEL__USE=models:/cis-ews@champion $(BIN)/bentoml serve serving.service:EarlyWarning
endif

# Spark is half a gigabyte and needs Java: it is fetched for the tests where there is a Java, and never for the demo.
.venv/spark: .venv/installed requirements-spark.lock
	@if command -v java >/dev/null; \
	  then $(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-spark.lock; \
	  else echo "No Java: the tests of the Spark engine will be skipped"; fi
	@touch .venv/spark

# Browser tests drive the Chromium of the machine; without one they are skipped and say so.
.venv/chromium: .venv/installed
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  echo "No Chromium: the browser tests will be skipped"
	@touch .venv/chromium

# Taken on the walks that the tests go through, with a clock that stands still.
screenshots: .venv .venv/chromium
	@command -v faketime >/dev/null || { echo "The pictures need a clock that stands still: apt-get install faketime"; exit 1; }
	TZ=UTC FAKETIME_DONT_FAKE_MONOTONIC=1 CIS_EWS_PICTURES=docs/images $(BIN)/pytest -q -n 0 tests/browser/test_walks.py -k "morning or manager"

check: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pyright --project benchmarks
	$(BIN)/lint-imports

test: check .venv/spark .venv/chromium
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not long"

test-long: .venv .venv/spark .venv/chromium
	CIS_EWS_TEST_LONG=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile

bench-readers: .venv
	$(BIN)/python -m benchmarks.readers --results 1000000

bench-fetch: .venv
	$(BIN)/python -m benchmarks.fetch --events $(or $(EVENTS),200000)

bench-night: .venv
	$(BIN)/python -m benchmarks.night --students 20000

bench-model: .venv
	OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.model

bench-publish: .venv
	$(BIN)/python -m benchmarks.publish --students $(or $(STUDENTS),100000)

bench-console: .venv
	$(BIN)/python -m benchmarks.console --students $(or $(STUDENTS),20000)

bench-state: .venv
	$(BIN)/python -m benchmarks.state --students $(or $(STUDENTS),1100000) --attendance $(ATTENDANCE)

bench-delta: .venv
	$(BIN)/python -m benchmarks.delta --students $(or $(STUDENTS),100000) --attendance $(ATTENDANCE)

bench-shap: .venv
	OMP_WAIT_POLICY=passive $(BIN)/python -m benchmarks.shap

accuracy: .venv
	$(BIN)/python -m benchmarks.accuracy --candidates

LOCKED := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header
lock:
	$(LOCKED) --extra all --group dev --output-file requirements.lock
	$(LOCKED) --extra spark --constraint requirements.lock --output-file requirements-spark.lock

clean:
	rm -rf .venv demo
