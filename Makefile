# Works with GNU make 3.81, which macOS has: no newer syntax here.
# Variables given after `make` (PORT=9000, HOST=, BOOKBAG_DATA=) reach the commands.

PYTHON ?= python3
VENV := .venv/bin

# No address of an index in the locks: pip asks the one each machine is set up for.
LOCK_OPTIONS := --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make lock"

# A stand-in for a production machine; nobody is called at these addresses.
PRODUCTION := BOOKBAG_BASE_URL=https://bookbag.example BOOKBAG_HOSTS=bookbag.example \
	DATABASE_URL=postgres://bookbag@db.example/bookbag REDIS_URL=redis://redis.example:6379/0
RANDOM_KEY := $(VENV)/python -c 'import secrets; print(secrets.token_urlsafe(50))'

.PHONY: help run test lint check bench clean lock

help: ## list these targets
	@sed -n 's/^\([a-z]*\): ## /\1	/p' Makefile | while IFS='	' read -r name words; do \
		printf '  make %-7s %s\n' "$$name" "$$words"; \
	done

run: ## set up, fill a demo workspace and serve (PORT=, HOST=, BOOKBAG_DATA=)
	@$(PYTHON) scripts/bootstrap.py
	@$(VENV)/python manage.py serve --demo

test: ## all tests, on SQLite and on PostgreSQL (ARGS="-k chat --db sqlite")
	@$(PYTHON) scripts/bootstrap.py --dev
	@$(VENV)/python scripts/test.py $(ARGS)

lint: ## style, format, who leans on whom, types
	@$(PYTHON) scripts/bootstrap.py --dev
	$(VENV)/python -m ruff check .
	$(VENV)/python -m ruff format --check .
	$(VENV)/lint-imports
	$(VENV)/python -m mypy

check: ## what Django says of a machine in production, and of missing migrations
	@$(PYTHON) scripts/bootstrap.py --dev
	@folder=`mktemp -d` && trap 'rm -rf "$$folder"' EXIT && \
		export BOOKBAG_DATA="$$folder" && \
		env $(PRODUCTION) BOOKBAG_SECRET_KEY="`$(RANDOM_KEY)`" \
			$(VENV)/python manage.py check --deploy --fail-level WARNING && \
		env DATABASE_URL= REDIS_URL= \
			$(VENV)/python manage.py makemigrations --check --dry-run

bench: ## measure this machine (ARGS=)
	@$(PYTHON) scripts/bootstrap.py --dev
	@$(VENV)/python -m bench $(ARGS)

lock: ## write requirements*.lock anew from requirements*.txt (ARGS="--upgrade")
	@$(PYTHON) scripts/bootstrap.py --dev
	$(VENV)/uv pip compile $(LOCK_OPTIONS) $(ARGS) requirements.txt -o requirements.lock
	$(VENV)/uv pip compile $(LOCK_OPTIONS) $(ARGS) -c requirements.lock \
		requirements-dev.txt -o requirements-dev.lock

clean: ## remove .venv and caches, never your data
	rm -rf .venv .venv.lock .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis staticfiles
	find . -path ./data -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
