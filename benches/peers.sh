#!/usr/bin/env bash
# Runs our release binary beside other tools on one tenant in one go: the same users of 1 KB, from loopback into DuckDB. Prints CPU seconds, peak
# memory and ratios; the targets are 20 times fewer CPU seconds and 3 times less memory than dlt.
#
# usage: benches/peers.sh
# PEER_BENCH=DIR  folder with mock_auth0.py, measure.py, dlt_auth0.py and pyairbyte_auth0.py (default: ../shared/bench beside the repository)
# USERS=100000    size of the tenant
# RUNS=3          runs of each tool; the middle one by CPU counts
# PEERS="dlt"     which peers: dlt, pyairbyte
# SCRATCH=DIR     where peers are installed and write (default: ~/.cache/tenantry/peers)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bench=${PEER_BENCH:-$root/../shared/bench}
users=${USERS:-100000}
runs=${RUNS:-3}
peers=${PEERS:-dlt}
scratch=${SCRATCH:-$HOME/.cache/tenantry/peers}
target=${CARGO_TARGET_DIR:-$HOME/.cache/tenantry/target}
port=${PORT:-9631}

for file in mock_auth0.py measure.py dlt_auth0.py; do
    if [ ! -f "$bench/$file" ]; then
        echo "there is no $file in $bench: set PEER_BENCH to the folder that holds the peer bench; nothing was measured" >&2
        exit 2
    fi
done
bench=$(cd "$bench" && pwd)
mkdir -p "$scratch"

# An environment of its own for each tool, as their pins differ.
environment() { # name packages...
    local name=$1
    shift
    if [ ! -e "$scratch/$name/.ready" ]; then
        rm -rf "${scratch:?}/$name"
        if command -v uv >/dev/null; then
            uv venv -q "$scratch/$name" && uv pip install -q --python "$scratch/$name/bin/python" "$@"
        else
            python3 -m venv "$scratch/$name" && "$scratch/$name/bin/pip" install -q "$@"
        fi
        touch "$scratch/$name/.ready"
    fi
}
PATH=$PATH:$HOME/.cache/tenantry/uv/bin
environment mock uvloop
for peer in $peers; do
    case $peer in
    dlt) environment dlt 'dlt[duckdb]==1.31.0' duckdb==2.0.1 pyarrow ;;
    pyairbyte) environment pyairbyte airbyte==0.71.3 ;;
    *) echo "unknown peer $peer: dlt or pyairbyte" >&2 && exit 2 ;;
    esac
done

binary=${TENANTRY:-}
if [ -z "$binary" ]; then
    (cd "$root" && cargo build --locked --release -q -p tenantry)
    binary=$target/release/tenantry
fi

work=$(mktemp -d "$scratch/run.XXXXXX")
mock=
stop() {
    [ -z "$mock" ] || kill "$mock" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
"$scratch/mock/bin/python" "$bench/mock_auth0.py" --port "$port" --users "$users" --logs 0 >"$work/mock.log" 2>&1 &
mock=$!
for _ in $(seq 240); do
    grep -q ready "$work/mock.log" && break
    kill -0 "$mock" 2>/dev/null || { cat "$work/mock.log" >&2; exit 1; }
    sleep 0.25
done

measure() { # name command...
    local name=$1
    shift
    python3 "$bench/measure.py" --name "$name" --mock "$port" --rows "$users" --err "$work/$name.err" -- "$@" |
        tee -a "$work/lines" | cut -c 1-160
}
base=http://127.0.0.1:$port
for _ in $(seq "$runs"); do
    rm -rf "$work/ours" && mkdir "$work/ours"
    AUTH0_DOMAIN=$base AUTH0_CLIENT_ID=id AUTH0_CLIENT_SECRET=secret \
        measure tenantry "$binary" sync --select 'users+' --destination "duckdb:$work/ours/tenant.duckdb"
    for peer in $peers; do
        rm -rf "$work/peer"
        case $peer in
        dlt) measure dlt "$scratch/dlt/bin/python" "$bench/dlt_auth0.py" --base "$base" --dir "$work/peer" --only users --window --parquet ;;
        pyairbyte)
            : "${MANIFEST:?set MANIFEST to the manifest that manifest_from_pypi.py of the peer bench writes}"
            AIRBYTE_OFFLINE_MODE=1 DO_NOT_TRACK=1 measure pyairbyte "$scratch/pyairbyte/bin/python" \
                "$bench/pyairbyte_auth0.py" "$base" "$MANIFEST" "$work/peer"
            ;;
        esac
    done
done

python3 - "$work/lines" "$users" <<'PY'
import collections, json, sys
runs = collections.defaultdict(list)
for line in open(sys.argv[1]):
    run = json.loads(line)
    if run["rc"] != 0:
        sys.exit("%s ended with %s: nothing can be compared" % (run["name"], run["rc"]))
    runs[run["name"]].append(run)
middle = {name: sorted(of, key=lambda run: run["cpu_s"])[len(of) // 2] for name, of in runs.items()}
ours = middle["tenantry"]
print("\n%s users of 1 KB into DuckDB" % sys.argv[2])
print("%-10s %8s %8s %9s %12s %12s" % ("tool", "wall s", "CPU s", "peak MB", "CPU ratio", "peak ratio"))
for name, run in middle.items():
    cpu, peak = run["cpu_s"] / ours["cpu_s"], run["peak_rss_mb"] / ours["peak_rss_mb"]
    verdict = ""
    if name == "dlt":
        verdict = "  CPU %s (20), memory %s (3)" % ("met" if cpu >= 20 else "MISSED", "met" if peak >= 3 else "MISSED")
    print("%-10s %8.2f %8.2f %9.1f %12.1f %12.1f%s" % (name, run["wall_s"], run["cpu_s"], run["peak_rss_mb"], cpu, peak, verdict))
PY
