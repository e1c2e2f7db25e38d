#!/bin/sh
# Takes the pictures of the console in docs/images again, of the demo's tenant: `screenshots.sh [FOLDER]`. With CONSOLE_LOOKS=all each page
# is taken light and dark, in both languages and at the width of a phone.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mkdir -p "${1:-$root/docs/images}" && cd "${1:-$root/docs/images}" && pwd)
work=$(mktemp -d)
program="${CARGO_TARGET_DIR:-$root/target}/debug/tenantry"
cd "$root"
cargo build --quiet --locked -p tenantry

(cd "$work" && exec "$program" demo --port 0 --users 4000 --logs 30000 >"$work/out" 2>"$work/err") &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 600); do
    if grep -q '/open?token=' "$work/out"; then break; fi
    kill -0 "$demo" 2>/dev/null || { cat "$work/err"; exit 1; }
    sleep 0.2
done
CONSOLE_LINK=$(grep -o 'http://[^ ]*/open?token=[0-9a-f]*' "$work/out" | tail -1)
export CONSOLE_LINK
BROWSER_HOME="${TENANTRY_CACHE:-$HOME/.cache/tenantry}/browser" node crates/tenantry/tests/console/browser/shots.mjs "$folder"
printf 'screenshots: %s\n' "$folder"
