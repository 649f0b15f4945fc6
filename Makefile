# The two commands of the README are `make demo` and `make test`. Each makes its own virtual environment.

PYTHON ?= python3
DEMO := .venv-demo
DEV := .venv
OPS := .venv-ops
TOOLS := .ops-tools
AXE := $(TOOLS)/axe.min.js
WAGTAIL := .venv-wagtail
WAGTAIL_OLD := .venv-wagtail-old
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: search-test docs demo load s3-test upgrade-test wheel-test test suite test-fast ops-test pages-test compose-test hadolint alerts-test helm-test audit lint types unit faults soak bench lock clean images docs-site

demo: $(DEMO)/.done  ## See the whole way of a photograph, from a CMS and back; MODELS=ofa downloads OFA and writes sentences
	$(if $(filter ofa,$(MODELS)),@if $(DEMO)/bin/python -m tagger.demo.hub; then $(MAKE) --no-print-directory $(DEMO)/.ofa || true; fi)
	$(DEMO)/bin/tagger demo $(if $(MODELS),--models $(MODELS)) $(ARGS)

# torch and the hub's client, for MODELS=ofa alone; without them the demo goes on with the small models.
$(DEMO)/.ofa: $(DEMO)/.done requirements/gpu.lock
	$(DEMO)/bin/python $(PIP) --require-hashes -r requirements/gpu.lock
	$(DEMO)/bin/python $(PIP) torch==2.13.0
	touch $@

test: $(DEV)/.done  ## Lint, types and every test, beside each other; the twenty slowest tests at the end
	$(MAKE) --no-print-directory --jobs=3 lint types suite

suite: $(DEV)/.done
	$(DEV)/bin/python -m pytest -n $(AT_ONCE) --dist worksteal --durations=20 $(FAST) tests/integration tests/acceptance tests/faults $(ARGS)

# One more than there are processors: most of the long tests wait for other processes.
AT_ONCE := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# The tests start some hundred processes of the product. A process whose modules are compiled starts an eighth faster.
export PYTHONDONTWRITEBYTECODE :=

test-fast: $(DEV)/.done  ## The inner loop: unit tests, layers and documents
	$(DEV)/bin/python -m pytest -n logical --dist worksteal $(FAST) $(ARGS)

FAST := tests/unit tests/test_architecture.py tests/test_docs.py

faults: $(DEV)/.done  ## Every fault at full length (Q2 with 100 kills, Q9 with 5,000 images), on both ledgers
	FAULTS_LONG=1 $(DEV)/bin/python -m pytest tests/faults $(ARGS)

soak: $(DEV)/.done  ## 20 minutes of uploads and a backfill under kills and restarts; memory by role
	PYTHONPATH=tests $(DEV)/bin/python -m faults.soak $(ARGS)

ops-test: hadolint alerts-test helm-test docs-site pages-test compose-test  ## What operators use

pages-test: $(DEV)/.done $(AXE)  ## The pages for editors in Chromium: by keyboard, and what axe says of them
	PAGES_AXE=$(AXE) $(DEV)/bin/python -m pytest tests/pages $(ARGS)

$(AXE): tests/pages/fetch.sh
	tests/pages/fetch.sh $@

compose-test: $(DEV)/.done $(TOOLS)/.done  ## Build the image, bring docker-compose.yml up, kill its parts, roll it; run each pod of the chart once
	OPS_TOOLS=$(TOOLS) COMPOSE_TEST=1 $(DEV)/bin/python -m pytest -s -ra tests/compose $(ARGS)

search-test: $(DEV)/.done  ## The index pgvector, with the real extension, which is built where it is missing (root, Debian)
	tests/search/pgvector.sh
	CI=true $(DEV)/bin/python -m pytest tests/search $(ARGS)

docs-site: $(OPS)/.done  ## The documentation as a site, into build/site; a broken link, or anything from another host, is an error
	deploy/docs/build.sh $(OPS)/bin/mkdocs $(TOOLS)

hadolint: $(OPS)/.done
	$(OPS)/bin/hadolint Dockerfile

$(OPS)/.done: requirements/ops.lock
	$(PYTHON) -m venv $(OPS)
	$(OPS)/bin/python $(PIP) --require-hashes -r requirements/ops.lock
	touch $@

alerts-test: $(DEV)/.done $(TOOLS)/.done  ## Alert rules and dashboards, with the real Prometheus beside a running stack
	OPS_TOOLS=$(TOOLS) $(DEV)/bin/python -m pytest -n 2 --dist loadfile $(ALERTS) $(ARGS)

helm-test: $(DEV)/.done $(OPS)/.done $(TOOLS)/.done  ## The Helm chart, with the real helm and the schemas of Kubernetes
	OPS_TOOLS=$(TOOLS) $(DEV)/bin/python -m pytest -n 2 --dist worksteal tests/helm/test_chart.py $(ARGS)

ALERTS := tests/helm/test_alerts.py tests/helm/test_alert_fires.py tests/helm/test_dashboards.py

$(TOOLS)/.done: tests/helm/tools.sh
	tests/helm/tools.sh $(TOOLS)
	touch $@

audit:  ## SBOM, licences and known vulnerabilities of what the image installs, into out/audit/
	deploy/audit.sh out/audit

lint: $(DEV)/.done
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/.done
	$(DEV)/bin/mypy

$(DEMO)/.done: requirements/demo.lock pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) --require-hashes -r requirements/demo.lock
	$(DEMO)/bin/python $(PIP) --no-deps --no-build-isolation --editable .
	touch $@

# torch is installed by its exact spec, outside the hashes: its CPU and CUDA builds carry the same version and other hashes.
$(DEV)/.done: requirements/dev.lock requirements/gpu.lock pyproject.toml
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) --require-hashes -r requirements/dev.lock
	$(DEV)/bin/python $(PIP) --require-hashes -r requirements/gpu.lock
	$(DEV)/bin/python $(PIP) torch==2.13.0
	$(DEV)/bin/python $(PIP) --no-deps --no-build-isolation --editable .
	touch $@

load: $(DEV)/.done  ## 100,000 jobs on PostgreSQL and Redis with 1, 2 and 4 tag workers: speed, times, memory, sizes; an hour or more
	$(DEV)/bin/python -m bench.load $(ARGS)

bench: $(DEV)/.done  ## Measure the speed figures S1-S4: about twenty minutes; needs an idle machine
	status=0; for figure in "throughput --model lite" "throughput --model fake" fill latency recovery; do \
		$(DEV)/bin/python -m bench.$$figure || status=1; done; exit $$status

docs: $(DEV)/.done  ## Write the pages that are generated: settings, commands, routes
	$(DEV)/bin/python -m tagger.cli.reference docs

upgrade-test: $(DEV)/.done  ## The programs of the first version and of this one on one ledger; needs the git history
	PYTHONPATH=tests $(DEV)/bin/python -m peers.two_versions $(ARGS)

wheel-test: $(DEV)/.done  ## Build the wheel, install it into an empty environment, and run the demo there
	rm -rf build/wheel && $(DEV)/bin/python -m build --wheel --outdir build/wheel . && $(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python $(PIP) --require-hashes -r requirements/demo.lock
	build/wheel/env/bin/python $(PIP) --no-deps build/wheel/*.whl
	cd build/wheel && env/bin/tagger --version && env/bin/tagger demo
	@echo "wheel-test: ok. $$(cd build/wheel && ls *.whl) runs the demo in an environment that holds nothing else"

s3-test: $(DEV)/.done  ## The contract of the bucket of uploaded bytes against a real S3 server: Ceph's gateway, from Debian's packages
	tests/support/rgw.sh $${TMPDIR:-/tmp}/tagger-rgw 17480 $(DEV)/bin/python -m pytest tests/integration/blobs/test_blobs_s3.py $(ARGS)

images: $(DEV)/.done  ## Run Pillow's and pillow_heif's own nasty test images through the decoders
	$(DEV)/bin/python tests/images/corpus.py $(ARGS)

.PHONY: wordpress-zip peers peers-ci peers-long ops-tools

wordpress-zip:  ## Pack the WordPress plugin into build/
	$(PYTHON) integrations/wordpress/build.py build/tagger-wordpress.zip

peers: $(DEV)/.done wordpress-zip wagtail-tests  ## Boot real WordPress 6.1 and 6.8 and real Wagtail, and use them (apt: mariadb-server php-cli php-mysql php-gd php-curl php-xml php-mbstring)
	$(DEV)/bin/python -m pytest tests/peers $(ARGS)

ops-tools: $(OPS)/.done $(TOOLS)/.done $(WAGTAIL)/.done  ## Fetch what `make ops-test` needs: hadolint, helm, Prometheus, WordPress 6.8, Wagtail
	tests/peers/wordpress/fetch.sh trixie $${TAGGER_PEERS_CACHE:-/var/tmp/tagger-peers}/trixie

peers-ci: $(DEV)/.done wordpress-zip wagtail-tests  ## WordPress 6.8 and Wagtail on PostgreSQL by HTTP, with this machine's PHP and Python; what needs a browser is in `make peers`
	PEERS_WORDPRESS=6.8 PEERS_WAGTAIL=postgresql PEERS_RACES=12 $(DEV)/bin/python -m pytest tests/peers --ignore tests/peers/test_wordpress_editor.py --ignore tests/peers/test_wagtail_editor.py -k "not 7.4 and not 8.4" $(ARGS)

.PHONY: wagtail-wheel wagtail-tests wagtail-tests-old peers-wagtail

peers-wagtail: wagtail-tests wagtail-tests-old  ## Real Wagtail on SQLite and PostgreSQL with a real tagger, and the app's own tests with the oldest versions too
	$(DEV)/bin/python -m pytest tests/peers -k wagtail $(ARGS)

wagtail-wheel: $(DEV)/.done  ## Pack the app for Wagtail and Django into build/wagtail/
	rm -rf build/wagtail && mkdir -p build/wagtail && cp -r integrations/wagtail build/wagtail/source
	$(DEV)/bin/python -m build --wheel --no-isolation --outdir build/wagtail build/wagtail/source >build/wagtail/build.log
	cp -r integrations/wagtail/tests build/wagtail/tests

$(WAGTAIL)/.done: requirements/wagtail.lock
$(WAGTAIL_OLD)/.done: requirements/wagtail-old.lock
$(WAGTAIL)/.done $(WAGTAIL_OLD)/.done:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP) --require-hashes -r $<
	touch $@

wagtail-tests: wagtail-wheel $(WAGTAIL)/.done  ## The app's own tests with its wheel: Wagtail, plain Django and django-filer
	$(WAGTAIL)/bin/python $(PIP) --no-deps --force-reinstall build/wagtail/*.whl
	for kind in wagtail plain filer; do (cd build/wagtail && TAGGER_TEST=$$kind ../../$(WAGTAIL)/bin/python -m django test --settings tests.settings --pythonpath .) || exit 1; done

wagtail-tests-old: wagtail-wheel $(WAGTAIL_OLD)/.done
	$(WAGTAIL_OLD)/bin/python $(PIP) --no-deps --force-reinstall build/wagtail/*.whl
	for kind in wagtail plain; do (cd build/wagtail && TAGGER_TEST=$$kind ../../$(WAGTAIL_OLD)/bin/python -m django test --settings tests.settings --pythonpath .) || exit 1; done

peers-long: $(DEV)/.done wordpress-zip  ## 500 races between twelve messages and an editor, in WordPress 6.8
	PEERS_WORDPRESS=6.8 PEERS_RACES=500 $(DEV)/bin/python -m pytest -s tests/peers/test_wordpress.py -k "every_rule" $(ARGS)

ops-test: peers-ci

lock:  ## Renew the locks from pyproject.toml (needs uv)
	uv pip compile pyproject.toml requirements/build.in --extra ops $(LOCK) -o requirements/demo.lock
	uv pip compile pyproject.toml requirements/build.in --extra postgres --extra ops --extra s3 --extra otel --extra dev $(LOCK) -o requirements/dev.lock
	uv pip compile pyproject.toml requirements/build.in --extra postgres --extra ops --extra s3 --extra otel -c requirements/dev.lock $(LOCK) -o requirements/image.lock
	uv pip compile requirements/ops.in $(LOCK) -o requirements/ops.lock
	uv pip compile requirements/audit.in $(LOCK) -o requirements/audit.lock
	uv pip compile requirements/wagtail.in $(LOCK) -o requirements/wagtail.lock
	uv pip compile requirements/wagtail-old.in $(LOCK) -o requirements/wagtail-old.lock
	uv pip compile requirements/gpu.in $(LOCK) -c requirements/dev.lock -o requirements/gpu.lock

LOCK := --generate-hashes --no-emit-index-url --no-annotate --no-header --universal --python-version 3.11 --quiet

clean:
	rm -rf $(DEMO) $(DEV) $(OPS) $(WAGTAIL) $(WAGTAIL_OLD) $(TOOLS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
