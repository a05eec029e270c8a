PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check format bench soak clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Play one training step, 512 rollouts, against endpoints that come along
	@$(BIN)/rft-preflight demo

test: $(INSTALLED) ## Run the tests
	@$(BIN)/pytest -m "not slow"

test-slow: $(INSTALLED) ## Run the tests that take longer than a minute
	@$(BIN)/pytest -m slow

check: $(INSTALLED) ## Lint, check the format and the types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(INSTALLED) ## Put the code into the house's format
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

bench: $(INSTALLED) ## Measure ours beside other clients, ten minutes; wants nginx, wrk and hey
	@$(BIN)/python -m tests.bench

soak: $(INSTALLED) ## Ten minutes of steady load, with an eye on memory and connections
	@$(BIN)/python -m tests.bench --soak 600

clean: ## Remove everything that was made
	rm -rf $(VENV) build dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,locust,otel]'
	@touch $@
