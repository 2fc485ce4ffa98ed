#!/usr/bin/env bash
# One bit of the target is turned over while the copy still runs, as a failing disk or controller would.
# Longhaul's job fails and names the offset. `cp`, `qemu-img convert` and, with CEPH_CONF and LONGHAUL_DEMO_POOL set,
# `rbd import` end with status 0, and their target differs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need qemu-img qemu-utils
need jq jq
need cmp diffutils
offset=$((100 << 20 | 4242)) mib=256

start_server
add_directory from
add_directory to
disk=$scratch/from/disk.raw
half_full "$disk" "$mib"

# byte FILE: the one at the offset, in decimal.
byte() { od -An -tu1 -j "$offset" -N 1 "$1" 2>/dev/null | tr -d ' '; }
# turn FILE: its bit 4 there.
turn() {
    local byte
    byte=$(byte "$1")
    printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$offset" conv=notrunc,fsync status=none
}
# arrived FILE: once the byte of the source is there.
arrived() { until [[ -e $1 && $(byte "$1") == "$wanted" ]]; do sleep 0.002; done; }

# A byte that differs from an empty disk's.
while wanted=$(byte "$disk"); [[ $wanted == 0 ]]; do offset=$((offset + 1)); done
say "A disk of $mib MiB; bit 4 of byte $offset is turned over in each target while it is written"

longhaul volume adopt --storage from --path "$disk" --name disk >/dev/null
job=$(longhaul -o json volume migrate disk --to to --rate 64M --no-wait | jq -r .uuid)
until target=$(find "$scratch/to" -name "$job-*" | head -1) && [[ -n $target ]]; do sleep 0.02; done
arrived "$target"
turn "$target"
longhaul job wait "$job" >"$scratch/wait" 2>&1 || true
[[ $(state "$job") == Failed ]] || untrue "our job ended $(state "$job")"
why=$(longhaul -o json job show "$job" | jq -r .jobResult.detail)
echo "  longhaul          Failed: $why"
chunk=$((offset / 4194304 * 4194304))
[[ $why == *"$offset"* || $why == *"$chunk"* ]] || untrue "the failure does not name the offset: $why"

# beside NAME COMMAND…: started, stopped when the byte is in its target, the bit turned, let go on.
beside() {
    local name=$1 target=$2 status=0 pid
    shift 2
    rm -f "$target"
    "$@" 2>"$scratch/errors" &
    pid=$!
    arrived "$target"
    kill -STOP "$pid" 2>/dev/null || true
    turn "$target"
    kill -CONT "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    [[ $status == 0 ]] || untrue "$name noticed: status $status, $(cat "$scratch/errors")"
    if cmp -s "$disk" "$target"; then untrue "$name's target is the disk"; fi
    printf '  %-17s status 0; its target differs at byte %s\n' "$name" "$(($(cmp "$disk" "$target" | sed 's/.*byte \([0-9]*\),.*/\1/') - 1))"
}
beside cp "$scratch/cp.raw" cp --sparse=always "$disk" "$scratch/cp.raw"
beside "qemu-img convert" "$scratch/qemu.raw" qemu-img convert -r 128M -f raw -O raw "$disk" "$scratch/qemu.raw"

if [[ -z ${CEPH_CONF:-} || -z ${LONGHAUL_DEMO_POOL:-} ]]; then
    echo "  rbd import        left out: name a cluster with CEPH_CONF and a pool with LONGHAUL_DEMO_POOL"
    exit 0
fi
need rbd ceph-common
image=bit-flip-$$
pool() { "$1" --conf "$CEPH_CONF" -p "$LONGHAUL_DEMO_POOL" "${@:2}"; }
tidy() { pool rbd rm --no-progress "$image" >/dev/null 2>&1 || true; }
rbd --conf "$CEPH_CONF" import --no-progress "$disk" "$LONGHAUL_DEMO_POOL/$image" 2>"$scratch/errors" &
import_pid=$!
number=$(printf %016x $((offset / 4194304)))
until object=$(pool rbd info --format json "$image" 2>/dev/null | jq -r .block_name_prefix).$number &&
    pool rados stat "$object" >/dev/null 2>&1; do sleep 0.02; done
kill -STOP "$import_pid" 2>/dev/null || true
pool rados get "$object" "$scratch/object"
byte=$(od -An -tu1 -j $((offset % 4194304)) -N 1 "$scratch/object" | tr -d ' ')
printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$scratch/object" bs=1 seek=$((offset % 4194304)) conv=notrunc status=none
pool rados put "$object" "$scratch/object"
kill -CONT "$import_pid" 2>/dev/null || true
status=0
wait "$import_pid" || status=$?
[[ $status == 0 ]] || untrue "rbd import noticed: status $status, $(cat "$scratch/errors")"
pool rbd export --no-progress "$image" "$scratch/rbd.raw"
if cmp -s "$disk" "$scratch/rbd.raw"; then untrue "rbd import's target is the disk"; fi
printf '  %-17s status 0; its target differs at byte %s\n' "rbd import" "$(($(cmp "$disk" "$scratch/rbd.raw" | sed 's/.*byte \([0-9]*\),.*/\1/') - 1))"
