# One environment for everything: `make demo`, `make test`, `make bench`. Needs Python 3.11 and make.
PYTHON ?= python3.11
VENV ?= .venv
RUN = $(VENV)/bin/python

.PHONY: demo test test-versions extension check-head bench gallery fuzz

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[blender,test]'
	touch $@

demo: $(VENV)/ready
	$(RUN) examples/astronaut.py

test: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m pytest

# The same tests of everything that touches Blender, in the newest patch of each Blender that pip has.
BLENDERS ?= 4.2.23 4.5.15 5.0.1
test-versions: $(foreach blender,$(BLENDERS),test-$(blender))

test-%:
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/pip install --quiet --disable-pip-version-check 'bpy==$*' --editable '.[test]'
	$(VENV)-$*/bin/python -m pytest tests/scene tests/ui tests/official/test_heads.py tests/test_extension.py tests/test_command_line.py

extension: $(VENV)/ready
	$(RUN) packaging/extension.py

# The importer of the authors' files, on 10,000 files that something was changed in.
FUZZ ?= 10000
fuzz: $(VENV)/ready
	SYNERGY_FUZZ=$(FUZZ) $(RUN) -m pytest -s tests/official -k mutated

check-head: $(VENV)/ready
	$(RUN) -m training.check_head

# The workshop (PyTorch, OpenCV, MediaPipe) is only needed to measure and to train.
$(VENV)/workshop: $(VENV)/ready
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[blender,test,training]'
	touch $@

bench: $(VENV)/workshop
	$(RUN) -m training.bench

gallery: $(VENV)/workshop
	$(RUN) -m training.gallery
