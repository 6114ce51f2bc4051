# bty: disk images onto bare machines over the network. `make help` lists the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
ARCH    := x86_64
BUILD   := build
BIN     := $(BUILD)/bin
CROSS   :=
ifeq ($(ARCH),arm64)
BIN     := $(BUILD)/arm64/bin
CROSS   := GOARCH=arm64
endif
HOST    := internal/testenv/host
BOOTS   := ./internal/testenv/boots/...
PAGES   := ./internal/testenv/pages/...
SYSTEMD := ./internal/testenv/systemd/...
CONTAINERS := ./internal/testenv/containers/...
ROUNDS  := 3
TIMED   := $(HOST)/timed.sh

SHELL   := /bin/bash

# bty is pure Go. A distribution's Go that defaults to its own toolchain may still fetch ours,
# unless the caller's environment says otherwise.
export CGO_ENABLED := 0
export GOTOOLCHAIN ?= auto

GO       = $(or $(GO_FOUND),$(eval GO_FOUND := $(shell VERBOSE=$(filter 0,$(MAKELEVEL)) $(HOST)/find-go.sh))$(GO_FOUND),false)
GOFLAGS_ := -trimpath -buildvcs=false
LDFLAGS  := -s -w -X bty/internal/build.Version=$(VERSION)
KERNEL   = $(wildcard $(BUILD)/kernel/$(ARCH)/boot/vmlinuz-*)
MODULES  = $(wildcard $(BUILD)/kernel/$(ARCH)/lib/modules/*)
COMMANDS = $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## --- building

.PHONY: build
build: ## the programs, into build/bin (ARCH=arm64: into build/arm64/bin)
	@mkdir -p $(BIN)
	@for c in $(COMMANDS); do \
		echo "go build ./cmd/$$c"; \
		$(CROSS) $(GO) build $(GOFLAGS_) -ldflags '$(LDFLAGS)' -o $(BIN)/$$c ./cmd/$$c || exit 1; \
	done

.PHONY: setup setup-test setup-bench setup-long
setup: ## install the Debian packages that the demo needs (or print the line that does)
	@$(HOST)/setup.sh demo
setup-test:
	@$(HOST)/setup.sh demo test
setup-bench:
	@$(HOST)/setup.sh demo test bench
setup-long:
	@$(HOST)/setup.sh demo test long

.PHONY: ipxe kernel live peers
ipxe: setup ## stock iPXE boot programs of Debian 13, into build/ipxe
	@$(GO) run $(GOFLAGS_) ./internal/testenv/fetch -work $(BUILD) ipxe

peers: setup ## other TFTP servers, unpacked into build/peers, for the benchmark
	@$(GO) run $(GOFLAGS_) ./internal/testenv/fetch -work $(BUILD) peers

kernel: setup ## Debian's current kernel and modules, into build/kernel (ARCH=arm64)
	@$(GO) run $(GOFLAGS_) ./internal/testenv/fetch -work $(BUILD) -arch $(ARCH) kernel

.PHONY: roots
roots: setup-test ## Debian 12 and 13 with systemd, and 13 with Podman, for tests, into build/roots
	@$(GO) run $(GOFLAGS_) ./internal/testenv/fetch -work $(BUILD) roots

live: build kernel ## the live environment, into build/live (ARCH=arm64)
	$(GO) run $(GOFLAGS_) -ldflags '$(LDFLAGS)' ./cmd/bty-lab liveenv build --arch $(ARCH) --kernel $(KERNEL) --modules $(MODULES) \
		--bty $(BIN)/bty --out $(BUILD)/live

.PHONY: assets
assets: ## the files of others that the pages load, from npm as vendor.txt lists them (they are committed)
	@internal/web/ui/vendor.sh

## --- installing

.PHONY: install
install: ## what make build made, onto this host or below DESTDIR (PREFIX=/usr UNITDIR=$PREFIX/lib/systemd/system)
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' UNITDIR='$(UNITDIR)' packaging/install.sh $(BIN)

# Of the last commit, so that everyone who packages it gets the same bytes.
PACKAGES        := $(BUILD)/packages
PACKAGE_VERSION  = $(shell packaging/version.sh '$(VERSION)')
PACKAGE_DATE     = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct))
COMPRESSION      = best

.PHONY: deb rpm
deb rpm: build ## packages of the programs, into build/packages (ARCH=arm64, COMPRESSION=fast)
	@mkdir -p $(PACKAGES)
	@SOURCE_DATE_EPOCH=$(PACKAGE_DATE) COMPRESSION=$(COMPRESSION) packaging/package.sh $@ $(GO) $(BIN) $(ARCH) '$(PACKAGE_VERSION)' $(PACKAGES)

# Images of the daemons, without a container engine. Their tag is VERSION, as the programs say it.
IMAGES       := $(BUILD)/images
IMAGE_PREFIX := localhost
IMAGE_SOURCE :=
WRITE_IMAGES  = mkdir -p $(IMAGES) && packaging/licences.sh $(GO) >$(IMAGES)/licences-of-others.txt && \
	SOURCE_DATE_EPOCH=$(PACKAGE_DATE) $(GO) run $(GOFLAGS_) ./packaging/image -prefix '$(IMAGE_PREFIX)' -version '$(VERSION)' \
	-revision '$(shell git rev-parse HEAD)' -source '$(IMAGE_SOURCE)' -ipxe $(BUILD)/ipxe -licences $(IMAGES)/licences-of-others.txt -out $(IMAGES)

.PHONY: image images
image: build ipxe ## container images of the daemons, into build/images (ARCH=arm64, IMAGE_PREFIX=registry.example/lab)
	@$(WRITE_IMAGES) $(ARCH)=$(BIN)

images: ipxe ## those of x86_64 and arm64, and an index of both to push
	@$(MAKE) --no-print-directory build ARCH=x86_64
	@$(MAKE) --no-print-directory build ARCH=arm64
	@$(WRITE_IMAGES) x86_64=$(BUILD)/bin arm64=$(BUILD)/arm64/bin

## --- running

.PHONY: demo run
demo: setup build ipxe live ## the main job: a QEMU machine from power-on to a flashed disk (FIRMWARE=bios|uefi|http, KEEP=1)
	@KEEP=$(KEEP) FIRMWARE=$(FIRMWARE) $(GO) run $(GOFLAGS_) ./internal/testenv/demo -build $(BUILD)

run: build ## the appliance alone in the foreground, for a workstation (TFTP on port 6969)
	@mkdir -p $(BUILD)/run/boot
	@for f in $(wildcard $(BUILD)/ipxe/*.*pxe $(BUILD)/ipxe/*.efi $(BUILD)/live/bty-live-*); do ln -f $$f $(BUILD)/run/boot/ || exit 1; done
	@echo "pages: http://localhost:8080   password bty-lab   state: $(BUILD)/run   Ctrl-C ends it"
	@export BTY_PATHS_STATE_DIR=$(CURDIR)/$(BUILD)/run BTY_PATHS_RUN_DIR=$(CURDIR)/$(BUILD)/run BTY_TFTP_PORT=6969; \
	$(BUILD)/bin/bty-web & web=$$!; $(BUILD)/bin/bty-tftp & tftp=$$!; \
	trap "kill $$web $$tftp" INT TERM; wait $$web; status=$$?; kill $$tftp; wait; exit $$status

## --- testing

.PHONY: contract test test-unit test-boots test-pages test-systemd test-containers test-long
test: setup-test ## every test: unit, boots of real firmware, pages in a real browser, real systemd, real Podman
	@mkdir -p $(BUILD) && rm -f $(BUILD)/times
	@export TIMES=$(BUILD)/times; failed=; \
	$(TIMED) artifacts $(MAKE) --no-print-directory build ipxe live roots || failed=yes; \
	$(TIMED) unit $(MAKE) --no-print-directory test-unit || failed=yes; \
	$(TIMED) boots $(MAKE) --no-print-directory test-boots || failed=yes; \
	$(TIMED) pages $(MAKE) --no-print-directory test-pages || failed=yes; \
	$(TIMED) systemd $(MAKE) --no-print-directory test-systemd || failed=yes; \
	$(TIMED) containers $(MAKE) --no-print-directory test-containers || failed=yes; \
	echo; cat $(BUILD)/times; [ -z "$$failed" ]

test-unit: setup-test ## all tests but the boots, the pages, systemd and the containers
	@packages=$$($(GO) list ./...) || exit 1; \
	$(GO) vet ./... && \
	$(GO) test $(GOFLAGS_) -count=1 -timeout 8m $$(echo "$$packages" | grep -v -e /internal/testenv/boots -e /internal/testenv/pages -e /internal/testenv/systemd -e /internal/testenv/containers)

test-boots: setup-test ## QEMU firmware, BIOS and UEFI, against the appliance (BTY_LOGS=folder keeps every log)
	@set -o pipefail; BTY_BUILD=$(CURDIR)/$(BUILD) $(GO) test $(GOFLAGS_) -count=1 -timeout 20m -v $(BOOTS) 2>&1 | \
		{ grep --line-buffered -v '^=== ' || true; }

test-pages: setup-test ## the pages in Chromium (UPDATE=1 renews docs/screenshots, else they go to build/screenshots)
	@$(GO) test $(GOFLAGS_) -count=1 -timeout 6m $(PAGES)

test-systemd: setup-test build roots ## the units and daemons under systemd 252 and 257 in containers
	@set -o pipefail; BTY_BUILD=$(CURDIR)/$(BUILD) $(GO) test $(GOFLAGS_) -count=1 -timeout 15m -v $(SYSTEMD) 2>&1 | \
		{ grep --line-buffered -v '^=== ' || true; }

test-containers: setup-test build roots image live ## the appliance as containers, under Podman 5 and systemd
	@set -o pipefail; BTY_BUILD=$(CURDIR)/$(BUILD) $(GO) test $(GOFLAGS_) -count=1 -timeout 10m -v $(CONTAINERS) 2>&1 | \
		{ grep --line-buffered -v '^=== ' || true; }

contract: ## the wire contract over HTTP alone (URL=http://host:8080 PASSWORD=...; without URL against a server of its own)
	@BTY_CONTRACT_URL='$(URL)' BTY_CONTRACT_PASSWORD='$(PASSWORD)' $(GO) test $(GOFLAGS_) -count=1 -timeout 8m -v ./internal/testenv/contract 2>&1 | \
		{ grep --line-buffered -v '^=== ' || true; }; exit $${PIPESTATUS[0]}

test-long: setup-long build ipxe image live roots ## what takes too long for every change: kills, restarts, soak, another architecture
	@$(MAKE) --no-print-directory live ARCH=arm64
	@BTY_TEST_LONG=1 BTY_BUILD=$(CURDIR)/$(BUILD) $(TIMED) long $(GO) test $(GOFLAGS_) -count=1 -timeout 4h -tags long ./...

.PHONY: bench
bench: setup-bench build kernel peers ## ratios measured side by side, for docs/benchmarks.md (ONLY=fleet,streams runs these parts)
	@$(GO) run $(GOFLAGS_) ./internal/testenv/bench -build $(BUILD) $(if $(ONLY),-only $(ONLY))
ifeq ($(ONLY),)
	@echo; echo "## the live environment against an init that prints one line, side by side"; echo
	@$(GO) test -run '^$$' -bench BenchmarkBoot -benchtime $(ROUNDS)x -timeout 20m ./internal/liveenv
	@echo; echo "## one contact, durable before it is answered, without HTTP"; echo
	@$(GO) test -run '^$$' -bench BenchmarkContact -timeout 20m ./internal/fleet
	@echo; echo "## one contact with and without a backup at work, without HTTP"; echo
	@$(GO) test -run '^$$' -bench BenchmarkContactDuringBackup -benchtime $(ROUNDS)x -timeout 20m ./internal/backup
endif

.PHONY: lint
lint: ## formatting and go vet
	@unformatted=$$($$($(GO) env GOROOT)/bin/gofmt -l $$(git ls-files '*.go')); \
	[ -z "$$unformatted" ] || { echo "gofmt -w would change: $$unformatted"; exit 1; }
	$(GO) vet ./...

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)
