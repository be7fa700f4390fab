# Nouns and verbs for people; the work is done in Python.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
CHECKER := @$(BIN)/python -m checker
SETUP := @$(PYTHON) -I checker/bootstrap.py

help:           ## Show this help
	@awk -f cluster/help.awk $(firstword $(MAKEFILE_LIST))

lab-%: setup    ## Start lab N, and the cluster where there is none
	$(CHECKER) start $*
check-%: setup  ## Check your answer to lab N, by packets
	$(CHECKER) check $*
hint-%: setup   ## Show one more hint for what failed last in lab N
	$(CHECKER) hint $*
reset-%: setup  ## Put lab N back to its start; your files stay
	$(CHECKER) reset $*
stop-%: setup   ## Take lab N off the cluster; your files stay
	$(CHECKER) stop $*
solution-%: setup ## Print the reference answer of lab N
	$(CHECKER) solution $*

explain-%: setup ## Explain a cell of lab N: FROM=frontend TO=backend:8080
	$(CHECKER) explain $* $(FROM) $(TO)

up: setup       ## Make the cluster, or mend it
	$(CHECKER) up
down: setup     ## Delete the cluster
	$(CHECKER) down
status: setup   ## Show the cluster and the labs on it
	$(CHECKER) status
doctor: setup   ## Say what this machine has and lacks
	$(CHECKER) doctor
images: setup   ## Pull the images, or build them where no registry answers
	$(CHECKER) images
images-save: setup ## Save images and tools to FILE=…, for a machine without network
	$(CHECKER) images-save $(or $(FILE),build/images.tar)
images-load: setup ## Load what images-save wrote, from FILE=…
	$(CHECKER) images-load $(or $(FILE),build/images.tar)
serve: docs     ## Read the lessons at http://127.0.0.1:8000
	@$(BIN)/python -m http.server -d site -b 127.0.0.1 8000
notebooks: setup-notebooks ## Open the workshop notebooks in JupyterLab
	@$(BIN)/python -m checker.notebooks

docs: setup-docs ##! Build the site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
prove: setup    ##! Prove every answer of every lab on the live cluster
	$(CHECKER) prove
prove-%: setup  ##! Prove every answer of lab N
	$(CHECKER) prove $*
mutants-%: setup ##! Change the solution of lab N one field at a time; its checks must notice
	$(CHECKER) mutants $* --seconds $(or $(SECONDS),0)
mutants: setup  ##! The same for every lab, each for SECONDS=…
	$(CHECKER) mutants --seconds $(or $(SECONDS),0)
lint: setup-all ##! Style, types and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
unit: setup-all ##! The tests that need no cluster
	@$(BIN)/python -m pytest -q tests/unit
test: setup-all ##! Everything: style, unit tests, docs, live tests, the proof
	@$(BIN)/python -m tests.everything
bench: setup    ##! Measure our probing against two other ways; KEEP=1 for the page
	@$(BIN)/python -m benchmarks.traffic_table $(if $(KEEP),--keep)
clean: down     ##! Delete the cluster, build/, site/ and .venv
	@rm -rf build site .venv

setup:
	$(SETUP)
setup-docs:
	$(SETUP) docs
setup-notebooks:
	$(SETUP) notebooks
setup-all:
	$(SETUP) docs notebooks dev

.PHONY: help up down status doctor images images-save images-load serve notebooks docs prove mutants lint unit test bench clean \
	setup setup-docs setup-notebooks setup-all
