# What starts many processes compiles its modules once, also where Python is told not to keep that.
unexport PYTHONDONTWRITEBYTECODE

TEMPLATES = src/runwright/web/dashboard/templates

.PHONY: setup demo check test idle chaos machines audit bench bench-schedules fix serve soak bench-peers bench-dashboard

setup:
	@bash scripts/setup.sh

demo:
	@bash scripts/setup.sh demo
	@.venv/bin/python scripts/demo.py

# Each process has servers of its own; a file's tests stay together.
test: PROCESSES ?= 2
test:
	@bash scripts/setup.sh demo dev
	@.venv/bin/python -m pytest --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder

chaos: MINUTES ?= 20
chaos: SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
chaos:
	@bash scripts/setup.sh demo dev
	@.venv/bin/python -m pytest tests/fault/test_chaos.py -s -o faulthandler_timeout=0 --chaos-minutes=$(MINUTES) --chaos-seed=$(SEED)

# What state machines do in `make test`, for longer.
machines: EXAMPLES ?= 1000
machines:
	@bash scripts/setup.sh demo dev
	@.venv/bin/python -m pytest tests/integration -k machine -o timeout=0 -o faulthandler_timeout=0 --machine-examples=$(EXAMPLES)

audit:
	@bash scripts/setup.sh demo dev
	@.venv/bin/uv tool run pip-audit --requirement constraints.txt --no-deps --disable-pip

check:
	@bash scripts/setup.sh demo dev
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/deno fmt --quiet --check
	@.venv/bin/deno lint --quiet
	@.venv/bin/djangofmt --check $(TEMPLATES)
	@.venv/bin/djangofmt check $(TEMPLATES)
	@.venv/bin/pyright
	@.venv/bin/lint-imports
	@# Fields are read by templates and on the wire, where it does not look.
	@! .venv/bin/vulture | grep -vE 'unused (variable|attribute)'

idle:
	@bash scripts/setup.sh demo dev
	@IDLE_CONNECTIONS=10000 .venv/bin/python -m pytest tests/fault/test_limits.py -k idle

bench:
	@bash scripts/setup.sh demo dev
	@.venv/bin/python benchmarks/run.py

bench-schedules bench-dashboard bench-peers: bench-%:
	@bash scripts/setup.sh demo dev
	@.venv/bin/python benchmarks/$*.py

soak:
	@bash scripts/setup.sh demo dev
	@.venv/bin/python benchmarks/soak.py

fix:
	@bash scripts/setup.sh demo dev
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .
	@.venv/bin/deno fmt --quiet
	@.venv/bin/djangofmt $(TEMPLATES)

serve:
	@bash scripts/setup.sh
	@.venv/bin/runwright serve --data-dir .runwright/data
