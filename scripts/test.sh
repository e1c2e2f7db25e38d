#!/bin/sh
# Runs every check and every test of the project (`cargo xtask ci`), and closes with what was counted and one word on how it went.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
log=$(mktemp)
trap 'rm -f "$log" "$log.status"' EXIT
began=$(date +%s)
# Setup has installed Auth0's own clients: a test that does not find them fails instead of being skipped.
export TENANTRY_REQUIRE_CLIENTS=1

# A pipeline's own status is that of its last command: the one that counts goes through a file.
{
    cargo xtask ci 2>&1
    echo $? >"$log.status"
} | tee "$log"
status=$(cat "$log.status")

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
if [ "$status" -ne 0 ]; then
    printf 'make test: FAILED after %s s; what failed is said above\n' "$(($(date +%s) - began))"
    exit 1
fi
printf 'make test: everything passed in %s s\n' "$(($(date +%s) - began))"
