# shellcheck shell=bash
# What the demos share: the binary, a scratch directory, a server of their own on a free port, and the verdict.
# Sourced. LONGHAUL names the binary; without it target/release/longhaul is taken, built if it is not there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d --suffix=.longhaul-demos)
server_pid=
trap leave EXIT
trap 'exit 130' INT TERM

# Whatever happened, nothing of a demo stays: its processes, its directory, and what the demo itself adds (tidy).
leave() {
    local status=$?
    declare -F tidy >/dev/null && tidy || true
    local pid
    for pid in $(jobs -p); do kill -9 "$pid" 2>/dev/null || true; done
    if [[ -n $server_pid ]] && kill -9 "$server_pid" 2>/dev/null; then gone "$server_pid"; fi
    wait 2>/dev/null || true
    rm -rf "$scratch"
    return "$status"
}

# need PROGRAM PACKAGE: names what is missing and how to get it.
need() {
    command -v "$1" >/dev/null || { echo "this demo needs $1: apt-get install $2" >&2; exit 2; }
}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
untrue() { printf '\nUNTRUE: %s\n' "$*" >&2; exit 1; }

binary() {
    if [[ -n ${LONGHAUL:-} ]]; then
        longhaul_binary=$(realpath "$LONGHAUL")
    else
        [[ -x $root/target/release/longhaul ]] || (cd "$root" && cargo build --release --locked --bin longhaul)
        longhaul_binary=$root/target/release/longhaul
    fi
}

longhaul() { "$longhaul_binary" "$@"; }

# start_server ARGUMENT…: serve on the scratch directory, logged in as admin. Started again, it is the same server.
start_server() {
    binary
    export XDG_CONFIG_HOME=$scratch/config
    local log=$scratch/server.log
    : >"$scratch/address"
    env -u LONGHAUL_URL LONGHAUL_ADMIN_PASSWORD=demo "$longhaul_binary" serve --data-dir "$scratch/data" \
        --listen "${listen:-127.0.0.1:0}" "$@" >"$scratch/address" 2>>"$log" &
    server_pid=$!
    disown "$server_pid" # or the shell tells of its end
    until grep -q '^listening on' "$scratch/address"; do
        kill -0 "$server_pid" 2>/dev/null || { cat "$log" >&2; echo "the server did not start" >&2; exit 2; }
        sleep 0.05
    done
    listen=$(sed -n 's#^listening on http://##p' "$scratch/address")
    export LONGHAUL_URL=http://$listen
    if [[ ! -s $scratch/logged-in ]]; then
        echo demo | longhaul login --password-file - >"$scratch/logged-in"
    fi
}

gone() { while kill -0 "$1" 2>/dev/null; do sleep 0.01; done; }

# kill_server: at once, and gone when this returns.
kill_server() {
    kill -9 "$server_pid"
    gone "$server_pid"
    server_pid=
}

# add_directory NAME: a storage in the scratch directory.
add_directory() {
    mkdir -p "$scratch/$1"
    longhaul storage add local --name "$1" --path "$scratch/$1" >/dev/null
}

# The process that copies, if there is one now.
copier() { pgrep -P "$server_pid" -f attempt-io | head -1; }

state() { longhaul -o json job show "$1" | jq -r .inventory.state; }

# sha256 FORMAT FILE: of the bytes that a guest sees, read by QEMU's own program.
sha256() {
    qemu-img convert -f "$1" -O raw "$2" "$scratch/guest.raw"
    sha256sum "$scratch/guest.raw" | cut -d' ' -f1
    rm -f "$scratch/guest.raw"
}

# half_full FILE MIB: a raw disk whose every other MiB is random.
half_full() {
    local at
    truncate -s "$2M" "$1"
    for ((at = 0; at < $2; at += 2)); do
        dd if=/dev/urandom of="$1" bs=1M count=1 seek="$at" conv=notrunc status=none
    done
}
