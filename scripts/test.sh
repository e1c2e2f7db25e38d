#!/bin/sh
# Runs every check and every test of the project, one after the other, and closes with what was counted and one word on how it went.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
log=$(mktemp)
trap 'rm -f "$log" "$log.passed"' EXIT
began=$(date +%s)
# Setup has installed Auth0's own clients: a test that does not find them fails instead of being skipped.
export TENANTRY_REQUIRE_CLIENTS=1

# With the destinations that are not in the default build, and in one resolution of features: each further one would build half of the tree again.
everything="--workspace --locked --features tenantry/bigquery,tenantry/delta,tenantry/snowflake"

# Half as many tests again as there are processors run at the same time, as a test waits a quarter of its time for what it has started.
threads=$((($(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) * 3 + 1) / 2))

# step COMMAND...: goes on after a failure, so that one run tells everything.
step() {
    "$@" || failed="${failed}failed: $*
"
}

steps() {
    failed=
    step cargo fmt --all --check
    step cargo clippy $everything --all-targets --quiet -- -D warnings
    # What cargo gives without a word about features: only looked at, as its code is a part of the above.
    step cargo clippy --workspace --locked --all-targets --quiet -- -D warnings
    if cargo nextest --version >/dev/null 2>&1; then
        step cargo nextest run $everything --no-fail-fast --test-threads "$threads"
        # nextest runs no examples in documentation.
        step cargo test $everything --doc
    else
        step cargo test $everything --no-fail-fast
    fi
    if cargo deny --version >/dev/null 2>&1; then
        step cargo deny check
    fi
    printf '%s' "$failed"
    # Written at the very end alone: who is stopped on the way has not passed.
    if [ -z "$failed" ]; then : >"$log.passed"; fi
}

scripts/sources.sh restore
steps 2>&1 | tee "$log"
scripts/sources.sh note

counts=$(awk '
    /^test result:/ {
        for (i = 1; i < NF; i++) {
            if ($(i + 1) == "passed;") passed += $i
            if ($(i + 1) == "failed;") failed += $i
            if ($(i + 1) == "ignored;") skipped += $i
        }
    }
    # nextest closes with one line for all: "Summary [ 9.9s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped"
    /^ *Summary \[.*tests? run:/ {
        for (i = 1; i < NF; i++) {
            if ($(i + 1) ~ /^passed/) passed += $i
            if ($(i + 1) ~ /^failed/) failed += $i
            if ($(i + 1) ~ /^skipped/) skipped += $i
        }
    }
    END { printf "%d passed, %d failed, %d skipped", passed, failed, skipped }' "$log")
printf '\n%s\n' "$counts"
if [ ! -e "$log.passed" ]; then
    printf 'make test: FAILED after %s s; what failed is said above\n' "$(($(date +%s) - began))"
    exit 1
fi
printf 'make test: everything passed in %s s\n' "$(($(date +%s) - began))"
