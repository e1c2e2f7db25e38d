#!/bin/sh
# Builds the tenantry command with every destination, and packs it with the library that it loads into dist/, ready to be unpacked and run
# on another machine of the kind.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --locked --release -p tenantry --features bigquery,delta,snowflake

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name="tenantry-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)"
library="${DUCKDB_LIB_DIR:-$root/.duckdb}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/$name"
cp "$CARGO_TARGET_DIR/release/tenantry" "$library/libduckdb.so" README.md README.ja.md LICENSE CHANGELOG.md "$work/$name/"
if [ -e "$library/LICENSE" ]; then cp "$library/LICENSE" "$work/$name/LICENSE.duckdb"; fi

# What is handed out has to run where it was unpacked, with its own library: a folder that only this machine has is of no use there.
loaded=$(ldd "$work/$name/tenantry" | sed -n 's/.*libduckdb.so => \(.*\) (.*/\1/p')
if [ "$loaded" != "$work/$name/libduckdb.so" ]; then
    printf 'dist: the packed command loads %s, not the library beside it\n' "${loaded:-no libduckdb.so}" >&2
    exit 1
fi
"$work/$name/tenantry" --version >/dev/null

mkdir -p dist
tar -czf "dist/$name.tar.gz" -C "$work" "$name"
(cd dist && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
printf '\npacked %s\n' "$root/dist/$name.tar.gz"
