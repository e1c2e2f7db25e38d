#!/bin/sh
# Runs every check and every test of the project, all of them even after a failure, and closes with one line that says how it went.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
log=$(mktemp)
trap 'rm -f "$log" "$log.status"' EXIT
failed=

# step NAME COMMAND...
step() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    began=$(date +%s)
    "$@" || failed="$failed, $name"
    printf '== %s: %s s\n' "$name" "$(($(date +%s) - began))"
}

run_tests() {
    # A pipeline's own status is tee's: cargo's goes through a file.
    { cargo test --workspace --locked --no-fail-fast 2>&1; echo $? >"$log.status"; } | tee "$log"
    return "$(cat "$log.status")"
}

step "format" cargo fmt --all --check
step "lint" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
step "generated documents" cargo xtask docs --check
step "tidy" cargo xtask tidy
step "tests" run_tests

counts=$(awk '/^test result:/ { for (i = 1; i < NF; i++) { if ($(i + 1) == "passed;") p += $i; if ($(i + 1) == "failed;") f += $i; if ($(i + 1) == "ignored;") s += $i } }
    END { printf "%d passed, %d failed, %d skipped", p, f, s }' "$log")
printf '\n%s\n' "$counts"
if [ -n "$failed" ]; then
    printf 'FAILED:%s\n' "${failed#,}"
    exit 1
fi
printf 'all checks and tests passed\n'
