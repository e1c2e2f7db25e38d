#!/bin/sh
# Fuzzes each decoder for so many seconds: `fuzz.sh SECONDS [TARGET...]`. What was found stays in fuzz/artifacts, what was learned in
# fuzz/corpus. Needs no nightly compiler: nothing of ours is unsafe, so that no sanitizer is needed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
seconds=${1:?"usage: fuzz.sh SECONDS [TARGET...]"}
shift
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# Instrumented builds have a folder of their own, or each would undo the other's.
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/fuzz"
export CARGO_TARGET_DIR

cargo run --quiet --locked -p tenantry-fuzz -- fuzz/corpus
# The versions that everything else is built with: cargo adds what only the programs need.
cp Cargo.lock fuzz/Cargo.lock
[ $# -gt 0 ] || set -- $(ls fuzz/corpus)
failed=
for target in "$@"; do
    printf 'fuzz: %s for %s s\n' "$target" "$seconds"
    cargo fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=10 -print_final_stats=1 \
        -verbosity=0 || failed="$failed $target"
done
if [ -n "$failed" ]; then
    printf 'fuzz: FAILED:%s; the inputs are in fuzz/artifacts\n' "$failed"
    exit 1
fi
printf 'fuzz: nothing found\n'
