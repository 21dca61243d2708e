# make test: everything, with the race detector, on SQLite and PostgreSQL.

GO ?= go

.PHONY: build test test-java-client short lint fmt fuzz clean

build:
	$(GO) build -trimpath -o sallyport ./cmd/sallyport

# Installs what is missing (as root on Debian), starts a PostgreSQL for the
# time of the tests, and skips nothing.
test:
	.ci/deps
	CI=true .ci/with-postgres $(GO) test -race -shuffle=on -count=1 -timeout 25m ./...

# The public Java client of the original product against a running server.
# Needs Java 11 or newer and Maven.
test-java-client:
	.ci/with-postgres $(GO) test -tags javaclient -count=1 -run TestJavaClient -v ./cmd/internal/servertest

# SQLite only, without the race detector.
short:
	$(GO) test ./...

lint:
	.ci/run

fmt:
	.bin/gofumpt -w $$(git ls-files '*.go')

# One fuzz target: make fuzz PKG=./scim/filter FUZZ=FuzzFilterParse TIME=10m
TIME ?= 1m
fuzz:
	$(GO) test -run '^$$' -fuzz '^$(FUZZ)$$' -fuzztime $(TIME) $(PKG)

clean:
	rm -rf sallyport .bin .tmp testdata/oracle/node_modules testdata/pages/node_modules testdata/twilio/node_modules testdata/upstream/node_modules
