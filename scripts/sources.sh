#!/bin/sh
# Spares a fresh clone the building of what an older one at the same place has built of the same sources: cargo compares times, and a clone
# writes every file anew.
#
# `sources.sh note` writes down what each file holds and since when; `sources.sh restore` gives the files of a later clone that hold the same the
# same time. Whatever of ours was built after that note may be of other sources, and is forgotten.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
[ -d "${CARGO_TARGET_DIR:-}" ] || exit 0
notes="$CARGO_TARGET_DIR/sources-$(printf '%s' "$root" | cksum | cut -d ' ' -f 1)"
# When this clone was made; not every system tells.
clone=$(stat -c %W .git 2>/dev/null) || exit 0
[ "$clone" -gt 0 ] || exit 0
list=$(mktemp)
trap 'rm -f "$list" "$list".*' EXIT
git ls-files >"$list" 2>/dev/null || exit 0

# held: a line "CONTENT SINCE PATH" for each file. Where one is missing there is no answer, and the script ends.
held() {
    git hash-object --stdin-paths <"$list" >"$list.content"
    tr '\n' '\0' <"$list" | xargs -0 stat -c '%.9Y %n' | paste -d ' ' "$list.content" -
}

case "${1:-}" in
note)
    {
        printf '%s\n' "$clone"
        held
    } >"$notes.new"
    mv "$notes.new" "$notes"
    ;;
restore)
    if [ ! -e "$notes" ] || [ "$(head -n 1 "$notes")" = "$clone" ]; then exit 0; fi
    find "$CARGO_TARGET_DIR" \( -path '*/.fingerprint/tenantry*' -o -path '*/.fingerprint/xtask-*' \) -type f -newer "$notes" |
        sed 's|/[^/]*$||' | sort -u | tr '\n' '\0' | xargs -0 rm -rf
    held |
        awk 'NR == FNR { since[$1 " " $3] = $2; next } ($1 " " $3) in since { print since[$1 " " $3], $3 }' "$notes" - |
        while read -r since path; do touch -d "@$since" "$path"; done
    ;;
*)
    printf 'usage: scripts/sources.sh note|restore\n' >&2
    exit 2
    ;;
esac
