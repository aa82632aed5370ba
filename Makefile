.PHONY: setup demo check test bench fix serve

setup:
	@scripts/setup.sh

demo:
	@scripts/setup.sh demo
	@.venv/bin/python scripts/demo.py

test:
	@scripts/setup.sh demo dev
	@.venv/bin/python -m pytest

check:
	@scripts/setup.sh demo dev
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/pyright
	@.venv/bin/lint-imports

bench:
	@scripts/setup.sh demo dev
	@.venv/bin/python benchmarks/run.py

fix:
	@scripts/setup.sh demo dev
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

serve:
	@scripts/setup.sh
	@.venv/bin/runwright serve --data-dir .runwright/data
