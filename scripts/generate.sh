#!/usr/bin/env bash
# Writes the files that are made from the code: the OpenAPI documents, docs/configuration.md, docs/cli.md.
#
#   scripts/generate.sh         in place
#   scripts/generate.sh DIR     below DIR, for the gate `generated` to compare
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-.}
mkdir -p "$out/docs"

# write FILE COMMAND…: the command's output; the file is touched only when the command succeeds.
write() {
    local file=$out/$1 text
    shift
    text=$(mktemp)
    if ! "$@" >"$text"; then
        rm -f "$text"
        echo "generate.sh: $file was not written" >&2
        return 1
    fi
    cat "$text" >"$file"
    rm -f "$text"
}

for profile in fast zstack; do
    write "openapi.$profile.json" cargo run --locked --quiet -p longhaul-wire --example openapi -- "$profile"
done
write docs/configuration.md cargo run --locked --quiet -p longhaul-server --example generate -- configuration
write docs/cli.md cargo run --locked --quiet -p longhaul-server --example generate -- cli
write docs/cli.md cargo run --locked --quiet -p longhaul-server --example generate -- cli
