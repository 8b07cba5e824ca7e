# make run: the demo.  make test, make browser-test, make monitoring-test, make soak, make image-test, make compose-test:
# all that proves it.  Each sets up what it needs, but for Chromium, Prometheus, a registry and Docker.

MODULE := target/wasm32-wasip1/release/kinto_jwt_filter.wasm
VENV := .venv
PYTHON ?= python3
# With the command kinto-jwt, which some tests run: always the same features, so that nothing is built twice.
TEST := cargo test --locked --features cli

.PHONY: build cli image sbom audit reproducible run test browser-test monitoring-test image-test bench docs kubernetes-files lint lint-workflows clean setup-run setup-test compose-secret compose-up compose-test compose-down compose-logs have-docker soak fuzz

build:
	@sh build/module.sh
	@ls -l $(MODULE) | awk '{ print $$NF ": " $$5 " bytes" }'

# The command kinto-jwt.
cli:
	@cargo build --locked --release --features cli --bin kinto-jwt
	@echo target/release/kinto-jwt

# The module as an image for registries, without a container engine. docs/images.md says what to do with it.
IMAGE := target/image

image: build
	@rm -rf $(IMAGE)
	@cargo run --locked --quiet --package module-image -- $(MODULE) $(IMAGE)

# Tools, built without optimization, and in one folder, where they share what they have in common: they run for seconds,
# and this takes a fraction of the time.
INSTALL := CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --quiet --target-dir target/tools/build

CYCLONEDX_VERSION := 0.5.9
CYCLONEDX := target/tools/cargo-cyclonedx-$(CYCLONEDX_VERSION)/bin/cargo-cyclonedx
SBOM := $(MODULE:.wasm=.cdx.json)

$(CYCLONEDX):
	$(INSTALL) --version =$(CYCLONEDX_VERSION) --root target/tools/cargo-cyclonedx-$(CYCLONEDX_VERSION) cargo-cyclonedx

sbom: build $(CYCLONEDX)
	@sh build/sbom.sh $(CYCLONEDX) $(SBOM)
	@echo $(SBOM)

# The licences and the sources of the dependencies, and what is known against them (deny.toml, build/advisories.sh).
# ADVISORY_DB is where the database of advisories is; without it they are not checked, and the output says so.
DENY_VERSION := 0.20.2
DENY := target/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

$(DENY):
	$(INSTALL) --version =$(DENY_VERSION) --root target/tools/cargo-deny-$(DENY_VERSION) cargo-deny

audit: $(DENY)
	$(DENY) --locked --workspace check --hide-inclusion-graph licenses bans sources
	@ADVISORY_DB="$(ADVISORY_DB)" sh build/advisories.sh $(DENY)
	@# That each of these checks can fail.
	CARGO_DENY=$(DENY) $(TEST) --quiet --test audit

# The same commit is the same module, wherever it is built: build/reproducible.sh.
reproducible:
	@sh build/reproducible.sh

$(VENV)/run.done: envoy/demo/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV)/test.done: tests/requirements.txt $(VENV)/run.done
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	# kinto_jwt was written for PyJWT 1: with PyJWT 2 its verifyToken does nothing.
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/pyjwt-1 PyJWT==1.7.1
	@touch $@

setup-run: $(VENV)/run.done
setup-test: $(VENV)/test.done

run: build setup-run
	@sh envoy/demo/run.sh

test: build setup-test
	$(TEST)

# libFuzzer, FUZZ_SECONDS for each target: docs/fuzzing.md has what each of them checks.
FUZZ_SECONDS ?= 20
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := target/tools/cargo-fuzz-$(CARGO_FUZZ_VERSION)/bin/cargo-fuzz

$(CARGO_FUZZ):
	$(INSTALL) --version =$(CARGO_FUZZ_VERSION) --root target/tools/cargo-fuzz-$(CARGO_FUZZ_VERSION) cargo-fuzz

fuzz: setup-test $(CARGO_FUZZ)
	@sh fuzz/run.sh $(CARGO_FUZZ) $(FUZZ_SECONDS)

browser-test: build setup-test
	@command -v chromium > /dev/null || { echo "browser-test: apt-get install --no-install-recommends chromium" >&2; exit 1; }
	$(TEST) --test browser

monitoring-test: build setup-test
	@command -v prometheus > /dev/null || { echo "monitoring-test: apt-get install --no-install-recommends prometheus" >&2; exit 1; }
	# All at once: they share one Envoy and one Prometheus.
	$(TEST) --test monitoring -- --test-threads 16

# Load and faults: SOAK_SECONDS of load (600), SOAK_SEED repeats a run, SOAK="load crash" runs these parts only. docs/evidence.md has figures.
soak: build setup-test
	sh build/module.sh crash-test
	$(TEST) --test soak -- --test-threads 1 --show-output $(SOAK)

image-test: image sbom setup-test
	@command -v docker-registry > /dev/null && command -v skopeo > /dev/null || { echo "image-test: apt-get install --no-install-recommends docker-registry skopeo" >&2; exit 1; }
	$(TEST) --test image

$(VENV)/bench.done: benches/requirements.txt $(VENV)/test.done
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# make bench BENCH=--quick is for development; benches/README.md says what is measured, and how.
bench: build $(VENV)/bench.done
	@command -v wrk > /dev/null || { echo "bench: apt-get install --no-install-recommends wrk valgrind" >&2; exit 1; }
	# With all that the SDK exports: the linker of our own module leaves some of it out.
	CARGO_TARGET_WASM32_WASIP1_LINKER=rust-lld \
	    cargo build --locked --release --target wasm32-wasip1 --manifest-path benches/noop/Cargo.toml --target-dir target/noop
	cargo bench --locked --bench core -- --quiet
	$(VENV)/bin/python -B benches/load $(BENCH)

# The pages of docs/ as a book. Pages link to pages only and name other files without a link, so that every link works
# in the book and where a forge shows the pages.
MDBOOK_VERSION := 0.5.4
MDBOOK := target/tools/mdbook-$(MDBOOK_VERSION)/bin/mdbook

$(MDBOOK):
	$(INSTALL) --version =$(MDBOOK_VERSION) --no-default-features --features search \
	    --root target/tools/mdbook-$(MDBOOK_VERSION) mdbook

docs: $(MDBOOK)
	@$(MDBOOK) build docs > target/book.log 2>&1 || { cat target/book.log >&2; exit 1; }
	@! grep -E 'WARN|ERROR' target/book.log >&2
	@echo target/book/index.html

# The copies of envoy.yaml and kinto.ini that kustomize wants below its folder; a test compares them.
kubernetes-files:
	cp envoy/kinto.ini envoy/kubernetes/kinto/kinto.ini
	{ printf '%s\n#\n' '# Made of envoy/envoy.yaml by `make kubernetes-files`: for a pod in which Kinto is beside Envoy.'; \
	    sed -e 's/address: 127.0.0.1 # compose: 0.0.0.0/address: 0.0.0.0/' -e 's/ # compose: kinto$$//' \
	    -e 's|target/wasm32-wasip1/release/kinto_jwt_filter.wasm|/opt/kinto-jwt-filter/plugin.wasm|' envoy/envoy.yaml; \
	} > envoy/kubernetes/envoy.yaml

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features cli -- -D warnings
	# Those that `cargo test` leaves out too: `--all-targets` has none with `test = false`.
	cargo clippy --locked --features cli --test '*' -- -D warnings
	cargo clippy --locked --target wasm32-wasip1 -- -D warnings
	cargo clippy --locked --target wasm32-wasip1 --features crash-test -- -D warnings

# The workflows of .github: what is wrong in them (actionlint), and what would help an attacker (zizmor).
WORKFLOW_LINT := target/tools/workflow-lint

$(WORKFLOW_LINT)/done: .github/lint-requirements.txt
	$(PYTHON) -m venv $(WORKFLOW_LINT)
	$(WORKFLOW_LINT)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint-workflows: $(WORKFLOW_LINT)/done
	$(WORKFLOW_LINT)/bin/actionlint .github/workflows/*.yaml
	$(WORKFLOW_LINT)/bin/zizmor --offline --quiet .github/workflows

# Compose v2 is `docker compose`, Debian's 1.29 is `docker-compose`.
compose = $(shell docker compose version > /dev/null 2>&1 && echo docker compose || echo docker-compose) \
	--project-name kinto-jwt-filter --file envoy/docker-compose.yaml

have-docker:
	@docker info > /dev/null 2>&1 || { echo "No Docker engine answers. Install one and start it: apt-get install docker.io" >&2; exit 1; }
	@$(compose) version > /dev/null 2>&1 || { echo "Docker Compose is missing: apt-get install docker-compose (1.29), or its plugin (v2)" >&2; exit 1; }

# The secret of the tickets.
compose-secret:
	@grep -qs ^MULTIAUTH_POLICY_KINTO_JWT_SECRET= envoy/.env || ( umask 077; \
	    echo "MULTIAUTH_POLICY_KINTO_JWT_SECRET=$$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >> envoy/.env )

compose-up: have-docker build setup-run compose-secret
	sh tests/compose/local-images/build.sh
	$(compose) up -d
	@while :; do \
	    case $$(docker inspect --format '{{.State.Health.Status}}' $$($(compose) ps -a -q envoy)) in \
	        healthy) break ;; \
	        unhealthy) $(compose) logs envoy; exit 1 ;; \
	    esac; \
	    sleep 0.5; \
	done
	@sh envoy/demo/hello.sh

compose-test: have-docker build setup-test
	sh tests/compose/local-images/build.sh
	$(TEST) --test compose -- --test-threads 3 --show-output

compose-down: compose-secret
	$(compose) down

compose-logs: compose-secret
	$(compose) logs --follow

clean:
	rm -rf target $(VENV)
