# Targets print what they do (`> Doing x...`), as the lifecycle's Makefile does.
# Needed: Rust 1.88 or newer with rustup, Go 1.26 or newer, GNU make, a C compiler.
# `make release` needs a C compiler for arm64 too, and says so if there is none.
# Used by the tests if it is there: /usr/bin/docker-registry (Debian's docker-registry),
# since distribution v2 cannot be built with `go install` any more.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# cargo and go use all cores by themselves; targets run one after the other.
.NOTPARALLEL:

CARGO ?= cargo
GO ?= go
NPM ?= npm
PYTHON ?= python3
CARGO_TARGET_DIR ?= target

# How often a crowd of signers meets.
ROUNDS ?= 100
# The `-settle` of its signers, if it is not to be theirs.
SETTLE ?=

# The fuzzers alone need a nightly compiler.
NIGHTLY ?= nightly
# How long each fuzzer runs.
FUZZ_SECONDS ?= 600
FUZZERS ?= $(basename $(notdir $(wildcard acceptance/tools/fuzz/fuzz_targets/*.rs)))

# What a release is built with: other compilers make other bytes.
RELEASE_RUST ?= 1.95.0
CC_AMD64 ?= gcc
CC_ARM64 ?= aarch64-linux-gnu-gcc
# Root certificates (PEM) to put into the image; none unless asked for.
ROOTS ?=
# Where `make publish` pushes the image (`host/path`), and who signs it there.
IMAGE ?=
COSIGN_CONFIG ?=

PREFIX ?= /usr/local
DESTDIR ?=

# The reference tools, each in a folder that names its exact version: what is
# there is right, and a new version is a new folder.
COSIGN_2_4 := v2.4.0
COSIGN_2 := v2.6.4
COSIGN_3 := v3.1.2
DISTRIBUTION := v3.1.2
FERRO := 1.0.0
REGCTL := v0.11.7
# The readers beside cosign; their own lock files name these versions too.
KYVERNO := 1.19.1
POLICY_CONTROLLER := 0.13.1
SIGSTORE_JS := 3.1.1
SIGSTORE_RUST := 0.15.1
# The services that hold keys elsewhere; their own lock files name these versions too.
VAULT := 1.21.0
LOCAL_KMS := v0.0.0-20260228092603-2a5e92d09ab6
MINISTACK := 1.5.33
MOTO := 5.2.5
KMS_PLUGIN := 1.10.8
KUBE_APISERVER := 1.35.4
# The witnesses of signatures: authorities and logs.
TIMESTAMP_AUTHORITY := v2.1.3
REKOR_TILES := v2.3.0
FULCIO := v1.8.8
TRILLIAN := v1.7.2
REKOR := v1.5.4
COSIGN_3_1_3 := v3.1.3
CARGO_DENY := 0.20.2
CARGO_FUZZ := 0.13.1
CARGO_CYCLONEDX := 0.5.9

cosign24 := .tools/cosign-$(COSIGN_2_4)/cosign
cosign2 := .tools/cosign-$(COSIGN_2)/cosign
cosign3 := .tools/cosign-$(COSIGN_3)/cosign
distribution := .tools/distribution-$(DISTRIBUTION)/registry
referrers := .tools/referrers-registry/referrers-registry
tar_reader := .tools/tar-reader/tar-reader
ferro := .tools/ferro-oci-server-$(FERRO)/bin/ferro-oci-server
regctl := .tools/regctl-$(REGCTL)/regctl
kyverno := .tools/kyverno-$(KYVERNO)/reader
policy_controller := .tools/policy-controller-$(POLICY_CONTROLLER)/reader
sigstore_js := .tools/sigstore-js-$(SIGSTORE_JS)/reader.mjs
sigstore_rust := .tools/sigstore-rust-$(SIGSTORE_RUST)/bin/reader
vault := .tools/vault-$(VAULT)/vault
local_kms := .tools/local-kms-$(LOCAL_KMS)/local-kms
ministack := .tools/ministack-$(MINISTACK)/bin/ministack
moto := .tools/moto-$(MOTO)/bin/moto_server
kms_plugin := .tools/kms-plugin-$(KMS_PLUGIN)/sigstore-kms-localkms
kube_apiserver := .tools/kube-apiserver-$(KUBE_APISERVER)/kube-apiserver
services := $(local_kms) $(kms_plugin) $(ministack) $(moto) $(vault) $(kube_apiserver)
timestamp_server := .tools/timestamp-authority-$(TIMESTAMP_AUTHORITY)/timestamp-server
rekor_tiles := .tools/rekor-tiles-$(REKOR_TILES)/posix
fulcio := .tools/fulcio-$(FULCIO)/fulcio
trillian := $(addprefix .tools/trillian-$(TRILLIAN)/,trillian_log_server trillian_log_signer createtree)
trillian_schema := .tools/trillian-$(TRILLIAN)/storage.sql
rekor := .tools/rekor-$(REKOR)/rekor-server
cosign313 := .tools/cosign-$(COSIGN_3_1_3)/cosign
# Those that are built soon, for CI; the others take as long as everything else.
quick_witnesses := $(timestamp_server) $(rekor_tiles) $(fulcio)
# Trillian keeps its trees in PostgreSQL.
postgres := $(or $(shell command -v initdb),$(wildcard /usr/lib/postgresql/*/bin/initdb))
slow_witnesses := $(cosign313) $(if $(postgres),$(trillian) $(trillian_schema) $(rekor))
deny := .tools/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
fuzz := .tools/cargo-fuzz-$(CARGO_FUZZ)/bin/cargo-fuzz
cyclonedx := .tools/cargo-cyclonedx-$(CARGO_CYCLONEDX)/bin/cargo-cyclonedx

.PHONY: help
help: ## Show this list (default)
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the release binary, target/release/signer
	@echo "> Building signer..."
	$(CARGO) build --locked --release --bin signer

.PHONY: pkcs11
pkcs11: ## Build the program for keys in tokens, target/release/sigstore-kms-pkcs11
	@echo "> Building sigstore-kms-pkcs11..."
	$(CARGO) build --locked --release --features pkcs11 --bin sigstore-kms-pkcs11

.PHONY: demo
demo: ## Sign a recorded image on a registry of the demo's own (needs no Go); KEEP=1 keeps the registry
	@echo "> Building signer for the demo..."
	$(CARGO) build --locked --bin signer --example demo
	@echo "> Running the demo..."
	$(CARGO) run --locked --quiet --example demo -- "$(CARGO_TARGET_DIR)/debug/signer" $(if $(KEEP),-keep)

.PHONY: test
test: tools some-witnesses lint deny ## Run every check: format, lints, licences, unit, doc and acceptance tests
	@echo "> Running unit, acceptance and doc tests..."
	$(CARGO) test --locked --features pkcs11

# In seconds since 1970.
began := $(shell date +%s)

.PHONY: ci
ci: test ## What CI runs: `make test`, `make release-test` and `make fuzz-smoke`, if there are compilers for these
	@if $(MAKE) --silent release-compilers >/dev/null 2>&1; then \
		$(MAKE) release-test; \
	else \
		echo "> SKIPPED the release: it needs $(CC_ARM64) (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross) and rustup"; \
	fi
	@# Chance does not refuse a change: a find is shown, with its input. Nor does a
	@# slow machine: the fuzzers have the time that is left.
	@if [ $$(($$(date +%s) - $(began))) -gt 3000 ]; then \
		echo "> SKIPPED the fuzzers: the tests took more than 50 minutes"; \
	else \
		timeout 25m $(MAKE) fuzz-smoke || echo "> THE FUZZERS DID NOT PASS, or took more than 25 minutes: see above, and CONTRIBUTING.md"; \
	fi

.PHONY: unit
unit: ## Run the unit tests alone (needs no tools)
	@echo "> Running unit tests..."
	$(CARGO) test --locked --features pkcs11 --lib --bins

.PHONY: acceptance
acceptance: tools some-witnesses ## Run the acceptance tests alone
	@echo "> Running acceptance tests..."
	$(CARGO) test --locked --features pkcs11 --test acceptance

.PHONY: crowd
crowd: tools ## Let 8 signers at once sign one image, ROUNDS (100) times; SETTLE=0 shows what settling is for
	@echo "> Building the acceptance tests..."
	$(CARGO) test --locked --test acceptance --no-run
	@echo "> Signing in a crowd, $(ROUNDS) rounds per registry (some 4 s each)..."
	SIGNER_ROUNDS="$(ROUNDS)" $(if $(SETTLE),SIGNER_SETTLE="$(SETTLE)") \
		$(CARGO) test --locked --test acceptance -- --nocapture --test-threads=1 \
		crowd::eight_signers crowd::four_signers

.PHONY: bench
bench: $(cosign2) $(cosign3) $(distribution) $(quick_witnesses) build ## Measure beside real cosign, into docs/bench (an hour); BENCH_ONLY=P1,P9 and BENCH_RUNS=3 for less
	@echo "> Building the benchmark..."
	$(CARGO) build --locked --example bench
	@echo "> Measuring..."
	BENCH_ONLY="$(BENCH_ONLY)" BENCH_RUNS="$(BENCH_RUNS)" BENCH_SECONDS="$(BENCH_SECONDS)" \
		"$(CARGO_TARGET_DIR)/debug/examples/bench" "$(CARGO_TARGET_DIR)/release/signer"

.PHONY: fmt
fmt: components ## Format the Rust code
	@echo "> Formatting code..."
	$(CARGO) fmt --all

.PHONY: lint
lint: components ## Check the format, run clippy and check the documentation; a warning is an error
	@echo "> Checking the format..."
	$(CARGO) fmt --all --check
	rustfmt --check --edition 2024 acceptance/tools/fuzz/fuzz_targets/*.rs acceptance/tools/readers/*/src/*.rs
	@echo "> Linting code..."
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --features pkcs11 -- -D warnings
	@echo "> Checking the links of the documentation..."
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items --features pkcs11

.PHONY: deny
deny: $(deny) ## Check licences, banned crates and sources of all dependencies
	@echo "> Checking dependencies..."
	$(deny) --locked check licenses bans sources

.PHONY: advisories
advisories: $(deny) ## Check dependencies for known vulnerabilities (fetches the RustSec database)
	@echo "> Checking advisories..."
	$(deny) --locked check advisories

.PHONY: fuzz
fuzz: $(fuzz) ## Run the fuzzers (FUZZERS), each for FUZZ_SECONDS (600); needs a nightly compiler
	@echo "> Building the fuzzers (minutes, the first time)..."
	cp Cargo.lock acceptance/tools/fuzz/Cargo.lock
	$(run_fuzz) build $(in_fuzz)
	@for fuzzer in $(FUZZERS); do \
		echo "> Fuzzing $$fuzzer for $(FUZZ_SECONDS) s..."; \
		mkdir -p "acceptance/tools/fuzz/corpus/$$fuzzer" && \
		$(run_fuzz) run $(in_fuzz) "$$fuzzer" \
			"acceptance/tools/fuzz/corpus/$$fuzzer" "testdata/fuzz/$$fuzzer" -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=20 -print_final_stats=1 -verbosity=0 || exit 1; \
	done

.PHONY: fuzz-smoke
fuzz-smoke: ## Run the fuzzers for 10 s each, if there is a nightly compiler
	@if rustup run $(NIGHTLY) rustc --version >/dev/null 2>&1; then \
		$(MAKE) fuzz FUZZ_SECONDS=10; \
	else \
		echo "> SKIPPED the fuzzers: there is no toolchain $(NIGHTLY) (rustup toolchain install nightly)"; \
	fi

# `cargo fuzz` with the same versions of all dependencies as the product.
run_fuzz = RUSTUP_TOOLCHAIN=$(NIGHTLY) $(fuzz)
in_fuzz = --fuzz-dir acceptance/tools/fuzz --target-dir "$(abspath $(CARGO_TARGET_DIR))/fuzz"

.PHONY: install
install: ## Build, and install the program and its manual below DESTDIR and PREFIX (/usr/local)
	@$(if $(BINARY),:,$(MAKE) build)
	@echo "> Installing below $(DESTDIR)$(PREFIX)..."
	install -D -m 755 "$(or $(BINARY),$(CARGO_TARGET_DIR)/release/signer)" "$(DESTDIR)$(PREFIX)/bin/signer"
	install -D -m 644 docs/signer.1 "$(DESTDIR)$(PREFIX)/share/man/man1/signer.1"

# cosign takes `pkcs11://` for its own, and finds the program by its second name.
.PHONY: install-pkcs11
install-pkcs11: pkcs11 ## Install that program below DESTDIR and PREFIX
	@echo "> Installing below $(DESTDIR)$(PREFIX)..."
	install -D -m 755 "$(CARGO_TARGET_DIR)/release/sigstore-kms-pkcs11" "$(DESTDIR)$(PREFIX)/bin/sigstore-kms-pkcs11"
	ln -sf sigstore-kms-pkcs11 "$(DESTDIR)$(PREFIX)/bin/sigstore-kms-p11"

.PHONY: release
release: $(cyclonedx) ## Build dist/: static programs for amd64 and arm64, tarballs, image, bills of materials
	@SIGNER_RUST="$(RELEASE_RUST)" CC_AMD64="$(CC_AMD64)" CC_ARM64="$(CC_ARM64)" ROOTS="$(ROOTS)" \
		CARGO="$(CARGO)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" CYCLONEDX="$(CURDIR)/$(cyclonedx)" \
		acceptance/tools/release/build.sh dist

.PHONY: release-check
release-check: release tools ## Build dist/ again in another folder, compare the bytes, and test them
	@echo "> Building the same commit in another folder..."
	@CC_AMD64="$(CC_AMD64)" CC_ARM64="$(CC_ARM64)" ROOTS="$(ROOTS)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" \
		acceptance/tools/release/again.sh dist
	@$(MAKE) test-dist

# Fails where `make release` would for want of a compiler.
.PHONY: release-compilers
release-compilers:
	@command -v "$(CC_AMD64)" && command -v "$(CC_ARM64)"
	@rustup run $(RELEASE_RUST) rustc --version || rustup toolchain install --profile minimal $(RELEASE_RUST)
	@rustup target add --toolchain $(RELEASE_RUST) x86_64-unknown-linux-musl aarch64-unknown-linux-musl

.PHONY: release-test
release-test: release tools ## Build dist/ and test it
	@$(MAKE) test-dist

.PHONY: test-dist
test-dist:
	@echo "> Testing dist/..."
	$(CARGO) test --locked --test acceptance -- --ignored --test-threads=1 dist::

.PHONY: publish
publish: ## Push dist/'s image to IMAGE (host/path) and sign it with itself, by COSIGN_CONFIG
	@test -n "$(IMAGE)" -a -n "$(COSIGN_CONFIG)" || { \
		echo "make publish IMAGE=registry.example/signer COSIGN_CONFIG=cosign.toml"; exit 2; }
	@CARGO="$(CARGO)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" \
		acceptance/tools/release/publish.sh dist "$(IMAGE)" "$(COSIGN_CONFIG)"

.PHONY: tools
tools: $(cosign24) $(cosign2) $(cosign3) $(distribution) $(referrers) $(tar_reader) $(ferro) $(regctl) ## Install the reference tools into .tools, those that are missing

.PHONY: readers
readers: $(kyverno) $(policy_controller) $(sigstore_js) $(sigstore_rust) ## Install verifiers that are not cosign, which the tests leave out where they are missing (needs Node.js)

.PHONY: services
services: ## Install the services that hold keys, which the tests leave out where they are missing (needs Python; 20 minutes)
	@for program in softhsm2-util pkcs11-tool etcd; do \
		command -v "$$program" >/dev/null || \
			echo "> There is no $$program (Debian: softhsm2 opensc etcd-server); its tests are left out"; \
	done
	@# What fails keeps nobody else from being installed.
	@$(MAKE) --no-print-directory --keep-going $(services)

.PHONY: witnesses
witnesses: ## Install authorities and logs, and the newest cosign; tests leave out what is missing (30 minutes)
	@$(if $(postgres),:,echo "> There is no initdb (Debian: postgresql); tests with Rekor v1 are left out")
	@$(MAKE) --no-print-directory --keep-going $(quick_witnesses) $(slow_witnesses)

# Those that are built soon. Without one its tests are left out, and nothing fails.
.PHONY: some-witnesses
some-witnesses:
	@$(MAKE) --no-print-directory --keep-going $(quick_witnesses) || \
		echo "> NOT ALL WITNESSES ARE HERE: their tests are left out"

.PHONY: components
components:
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "> Adding rustfmt..."; rustup component add rustfmt; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "> Adding clippy..."; rustup component add clippy; }

.PHONY: clean
clean: ## Remove what was built; .tools stays
	@echo "> Cleaning workspace..."
	$(CARGO) clean

# `go install` puts a binary in place only when it is complete.
$(cosign24):
	@echo "> Installing cosign $(COSIGN_2_4) (about 3 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN_2_4)

$(cosign2):
	@echo "> Installing cosign $(COSIGN_2) (about 3 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN_2)

$(cosign3):
	@echo "> Installing cosign $(COSIGN_3) (about 4 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_3)

$(distribution):
	@echo "> Installing distribution $(DISTRIBUTION) (about 2 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/distribution/distribution/v3/cmd/registry@$(DISTRIBUTION)

$(referrers): $(wildcard acceptance/tools/referrers-registry/*)
	@echo "> Building the registry with a referrers API..."
	cd acceptance/tools/referrers-registry && $(GO) build -o "$(CURDIR)/$@" .

$(tar_reader): $(wildcard acceptance/tools/tar-reader/*)
	@echo "> Building the reader of archives..."
	cd acceptance/tools/tar-reader && $(GO) build -o "$(CURDIR)/$@" .

$(ferro):
	@echo "> Installing ferro-oci-server $(FERRO) (about 1 minute)..."
	$(CARGO) install --locked --root .tools/ferro-oci-server-$(FERRO) --version $(FERRO) ferro-oci-server

$(regctl):
	@echo "> Installing regctl $(REGCTL)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/regclient/regclient/cmd/regctl@$(REGCTL)

$(kyverno): $(wildcard acceptance/tools/readers/kyverno/*)
	@echo "> Building a reader of Kyverno $(KYVERNO) (about 2 minutes)..."
	cd acceptance/tools/readers/kyverno && $(GO) build -o "$(CURDIR)/$@" .

$(policy_controller): $(wildcard acceptance/tools/readers/policy-controller/*)
	@echo "> Building a reader of policy-controller $(POLICY_CONTROLLER) (about 3 minutes)..."
	cd acceptance/tools/readers/policy-controller && $(GO) build -o "$(CURDIR)/$@" .

# npm leaves `node_modules` where the lock file lies.
$(sigstore_js): $(wildcard acceptance/tools/readers/sigstore-js/*)
	@echo "> Installing the reader of sigstore's JavaScript libraries..."
	mkdir -p $(@D) && cp $(filter %.json,$^) $(@D)
	cd $(@D) && $(NPM) ci --no-audit --no-fund
	cp $(filter %.mjs,$^) $(@D)

$(sigstore_rust): $(wildcard acceptance/tools/readers/sigstore-rust/Cargo.* acceptance/tools/readers/sigstore-rust/src/*)
	@echo "> Building the reader of sigstore's Rust crates (about 1 minute)..."
	$(CARGO) install --locked --force --root .tools/sigstore-rust-$(SIGSTORE_RUST) \
		--target-dir "$(abspath $(CARGO_TARGET_DIR))/readers" --path acceptance/tools/readers/sigstore-rust

$(local_kms):
	@echo "> Installing local-kms..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/nsmithuk/local-kms@$(LOCAL_KMS)

$(kms_plugin): $(wildcard acceptance/tools/services/kms-plugin/*)
	@echo "> Building a plugin by sigstore $(KMS_PLUGIN)..."
	cd acceptance/tools/services/kms-plugin && $(GO) build -o "$(CURDIR)/$@" .

$(ministack): acceptance/tools/services/ministack/requirements.txt
	@echo "> Installing ministack $(MINISTACK)..."
	$(PYTHON) -m venv --clear .tools/ministack-$(MINISTACK)
	.tools/ministack-$(MINISTACK)/bin/pip install --quiet --no-deps --requirement $<

$(moto): acceptance/tools/services/moto/requirements.txt
	@echo "> Installing moto $(MOTO) (about 1 minute)..."
	$(PYTHON) -m venv --clear .tools/moto-$(MOTO)
	.tools/moto-$(MOTO)/bin/pip install --quiet --no-deps --requirement $<

$(vault): $(wildcard acceptance/tools/services/vault/*)
	@echo "> Building the core of Vault $(VAULT) (about 8 minutes)..."
	cd acceptance/tools/services/vault && $(GO) build -ldflags "-s -w" -o "$(CURDIR)/$@" .

# cosign asks for its version.
$(kube_apiserver): $(wildcard acceptance/tools/services/kube-apiserver/*)
	@echo "> Building kube-apiserver $(KUBE_APISERVER) (about 7 minutes)..."
	cd acceptance/tools/services/kube-apiserver && $(GO) build \
		-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$(KUBE_APISERVER)" -o "$(CURDIR)/$@" .

$(timestamp_server):
	@echo "> Installing a timestamp authority, $(TIMESTAMP_AUTHORITY) (about 2 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server@$(TIMESTAMP_AUTHORITY)

$(rekor_tiles):
	@echo "> Installing Rekor v2, $(REKOR_TILES) (about 2 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix@$(REKOR_TILES)

$(fulcio):
	@echo "> Installing Fulcio $(FULCIO) (about 2 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/fulcio@$(FULCIO)

$(trillian):
	@echo "> Installing $(@F) of Trillian $(TRILLIAN) (up to 8 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/google/trillian/cmd/$(@F)@$(TRILLIAN)

# A module's files can be written by nobody, and whoever copies them may want to.
$(trillian_schema): | $(trillian)
	install -m 644 "$$($(GO) env GOMODCACHE)/github.com/google/trillian@$(TRILLIAN)/storage/postgresql/schema/$(@F)" $@

$(rekor):
	@echo "> Installing Rekor $(REKOR) (about 5 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/rekor/cmd/rekor-server@$(REKOR)

$(cosign313):
	@echo "> Installing cosign $(COSIGN_3_1_3) (about 10 minutes)..."
	GOBIN="$(CURDIR)/$(@D)" $(GO) install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_3_1_3)

$(deny):
	@echo "> Installing cargo-deny $(CARGO_DENY) (about 3 minutes)..."
	$(CARGO) install --locked --root .tools/cargo-deny-$(CARGO_DENY) --version $(CARGO_DENY) cargo-deny

$(cyclonedx):
	@echo "> Installing cargo-cyclonedx $(CARGO_CYCLONEDX) (about 2 minutes)..."
	$(CARGO) install --locked --root .tools/cargo-cyclonedx-$(CARGO_CYCLONEDX) --version $(CARGO_CYCLONEDX) cargo-cyclonedx

$(fuzz):
	@echo "> Installing cargo-fuzz $(CARGO_FUZZ) (about 1 minute)..."
	$(CARGO) install --locked --root .tools/cargo-fuzz-$(CARGO_FUZZ) --version $(CARGO_FUZZ) cargo-fuzz
