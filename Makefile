# Everything there is to learn. Each target does all the set-up it needs.
.PHONY: help setup setup-test demo test interop chaos bench check docs
SHELL := /bin/bash
# What Python compiles is kept in .venv, also where the environment forbids to keep it beside the sources: else each process
# compiles whatever it imports anew, and the tests start hundreds. What tests compiled in folders of theirs goes with the next run.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/bytecode
# Contiguous parts, and whoever is done takes from the others: what a module makes once is then made once. One process more
# than the two processors of the smallest machine, since tests wait for servers, browsers and workers half of their time.
TEST := .venv/bin/pytest -q -n 3 --dist worksteal
# Lines are followed in the rooms that must be covered whole; on PostgreSQL where something is said for it alone.
FOLLOW := CHANCERY_FOLLOWED="core sdk apps engine"
FOLLOW_POSTGRESQL := CHANCERY_FOLLOWED="engine $(addprefix apps/,acme audit notices pools shared)"
# What has to do with tables runs on both databases; the rest knows none, and would say the same twice. Of what is above
# the tables: the doors that write rows themselves, the journeys, and of the chaos only what the database itself decides;
# `make chaos` has all of the chaos and the journeys on both. Not what is about texts, forms and refusals: that stores nothing.
ON_POSTGRESQL := $(addprefix src/chancery/,apps engine doors/acme doors/bots tests) \
  tests/journeys tests/browser/test_journey.py \
  $(addprefix tests/chaos/test_,barriers.py boundaries.py deleting.py everything.py gate.py machine.py random_kills.py) \
  $(addprefix --ignore=,src/chancery/doors/acme/tests/test_hostile.py \
  $(addprefix tests/journeys/test_,any_request.py apply.py calendar.py cli.py diagnosis.py digicert.py doors.py emca.py \
  emsign.py hostile.py scale.py watching.py)) \
  $(addprefix --deselect=tests/,journeys/test_api.py::test_every_operation_says_all_there_is_to_say \
  journeys/test_api.py::test_the_description_is_openapi browser/test_journey.py::test_journey[Keyboard)

# Against clients and servers of others that `make interop` alone installs, and runs.
FOREIGN := $(addprefix tests/interop/test_,acme_clients.py acme_stepca.py adcs_samba_directory.py bundle.py scep_step_ca.py)

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 18

setup: ## Make .venv with .venv/bin/chancery
	@bash scripts/setup.sh

setup-test: setup
	@bash scripts/packages.sh postgresql chromium-headless-shell pebble caddy openssl iproute2 softhsm2 nginx-light apache2 haproxy

demo: setup ## Start sandbox, server and worker, order certificates, show the address
	@bash scripts/packages.sh nginx-light || echo "Without nginx the demo shows no web server."
	@.venv/bin/chancery demo

check: setup ## Format, lints, types, import contracts, missing migrations, docs complete (seconds)
	@bash scripts/check.sh

# `check` has run the contracts.
test: setup-test check ## The tests, on SQLite and PostgreSQL, and the coverage gate (CONTRIBUTING: what it leaves to chaos and interop)
	@rm -rf .coverage .venv/bytecode/tmp
	env -u CHANCERY_DATABASE_URL $(FOLLOW) $(TEST) $(addprefix --ignore=,tests/contracts $(FOREIGN)) src tests bot
	$(FOLLOW_POSTGRESQL) bash scripts/with-postgres.sh --fleeting $(TEST) $(ON_POSTGRESQL)
	@.venv/bin/python scripts/coverage_gate.py

interop: setup-test ## What is ours against other people's clients and servers; installs Go too, for step-ca (a minute, 0.9 GB)
	@bash scripts/packages.sh golang-go gcc libc6-dev golang-github-smallstep-certificates-dev \
	  strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins scep \
	  certbot lego dehydrated uacme apache2 libapache2-mod-auth-gssapi gss-ntlmssp krb5-kdc krb5-admin-server krb5-user libkrb5-dev python3-dev \
	  samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind
	@UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync --locked --all-extras --group interop --quiet
	@bash scripts/judges.sh
	@bash scripts/bot_bundle.sh .judges/chancery-bot.tar.gz
	.venv/bin/pytest -q -rs --long tests/interop

# What has no size of its own takes CHANCERY_CHAOS_MINUTES; whatever hangs ends with its part's time, and says what it was.
WITHIN := timeout -s INT -k 60
HANGS := -o faulthandler_timeout=1500
chaos: setup-test ## Everything that fails, and every test but interop's whole; 4 hours and a half at most (CHANCERY_CHAOS_SEED=n repeats)
	CHANCERY_CHAOS_MINUTES=$(or $(CHANCERY_CHAOS_MINUTES),6) $(WITHIN) 80m .venv/bin/pytest -q $(HANGS) --long tests/chaos
	CHANCERY_CHAOS_MINUTES=$(or $(CHANCERY_CHAOS_MINUTES),3) $(WITHIN) 70m bash scripts/with-postgres.sh --fleeting \
	  .venv/bin/pytest -q $(HANGS) --long tests/chaos
	$(WITHIN) 80m $(TEST) $(HANGS) --long --ignore=tests/chaos --ignore=tests/interop src tests bot
	$(WITHIN) 40m bash scripts/with-postgres.sh --fleeting $(TEST) $(HANGS) --long $(addprefix src/chancery/,apps engine doors tests) tests/journeys

bench: setup-test ## Measure rates, listings and waits on both databases; an hour and a half (results in bench/results)
	@bash scripts/packages.sh golang-cfssl || echo "Without cfssl it is not compared with."
	.venv/bin/python -m bench
	bash scripts/with-postgres.sh .venv/bin/python -m bench

docs: setup-test ## Write the reference from the code, photograph every page
	@.venv/bin/python scripts/reference.py
	@.venv/bin/python scripts/promises.py
	@.venv/bin/python scripts/photographs.py
