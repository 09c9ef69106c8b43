.PHONY: run serve test check bench soak lock proto venv venv-dev speech
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# --- what a user runs ------------------------------------------------------------------------------------------
run: venv .env ## the whole platform with the PSR simulator and a sample campaign
	@$(BIN)/python manage.py serve --demo $(ARGS)

serve: venv .env ## the platform alone
	@$(BIN)/python manage.py serve $(ARGS)

# --- what a developer runs -------------------------------------------------------------------------------------
test: venv-dev ## everything needed, then all tests
	@$(BIN)/python -m tests.run $(ARGS)

check: export DATABASE_URL = sqlite://:memory:
check: export SECRET_KEY = only-for-checks-0123456789abcdef0123456789abcdef
check: venv-dev ## lint, types, contracts, migrations, docs freshness
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy config telephony campaigns bridge tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py draw_states --check

bench: venv-dev ## the benchmarks; results are printed with machine and date
	@$(BIN)/python -m benchmarks $(ARGS)

soak: venv-dev ## the tests that take minutes
	@$(BIN)/python -m pytest -q -n 0 -m soak $(ARGS)

lock: venv-dev ## re-lock the dependencies
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -q pyproject.toml --extra embedded -o requirements/run.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -q pyproject.toml --extra embedded --extra mp3 --group dev -c requirements/run.txt -o requirements/dev.txt

proto: venv-dev ## the Python of live_call.proto
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. bridge/agents/livecall_grpc/proto/live_call.proto

.env: | venv
	@$(BIN)/python -m config.dotenv

# --- virtual environment: made once, again when the lock changes ------------------------------------------------
venv: $(VENV)/.run-ready
venv-dev: $(VENV)/.dev-ready

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Trunkline needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=python3.12, say."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: requirements/run.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.dev-ready: requirements/dev.txt | $(VENV)/.run-ready
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
