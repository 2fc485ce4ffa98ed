#!/usr/bin/env bash
# The kill matrix: each kind of disk (raw, qcow2, RBD) on its way to each, with server and copying child killed at
# drawn moments, the OSD killed and restarted, a cancel. See crates/server/tests/kill/matrix.rs.
#
#   kill-matrix.sh          2 kills for each of the nine pairs, as ./test.sh does
#   kill-matrix.sh --full   20 for each pair; the log with its seed is docs/proof/kill-matrix.txt afterwards
#
# LONGHAUL_MATRIX_SEED=N draws other moments. Uses the cluster that LONGHAUL_TEST_CEPH_CONF names, else one of its
# own, with cephx (Debian packages ceph-mon ceph-mgr ceph-osd ceph-common). Needs qemu-img. About 20 minutes in full.
set -euo pipefail
cd "$(dirname "$0")/.."

proof=docs/proof/kill-matrix.txt
case "${1:-}" in
    "") kills=2 ;;
    --full) kills=20 ;;
    *) sed -n '2,/^set -e/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
seed=${LONGHAUL_MATRIX_SEED:-1}
scratch=$(mktemp -d)
cleanup() {
    tests/tools/ceph-dev-cluster.sh clean "$scratch/cluster" 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT

if [[ -z ${LONGHAUL_TEST_CEPH_CONF:-} ]]; then
    LONGHAUL_TEST_CEPH_CONF=$(CEPH_DEV_CEPHX=1 tests/tools/ceph-dev-cluster.sh start "$scratch/cluster" | tail -1)
fi
export LONGHAUL_TEST_CEPH_CONF LONGHAUL_MATRIX_KILLS=$kills LONGHAUL_MATRIX_SEED=$seed
export LONGHAUL_MATRIX_LOG=$scratch/log

cargo test --locked --quiet -p longhaul-server --test kill --no-run
began=$SECONDS
status=0
# Two pairs at a time: most of the time goes by in waiting for the throttle.
cargo test --locked --quiet -p longhaul-server --test kill -- matrix:: --test-threads=2 --nocapture || status=$?
took=$((SECONDS - began))
pairs=$(grep -c "both storages are empty again" "$scratch/log" || true)
{
    echo "The kill matrix: $kills kills for each of nine pairs, seed $seed. Again with:"
    echo "  LONGHAUL_MATRIX_SEED=$seed scripts/kill-matrix.sh --full"
    echo "With $(ceph --version | cut -d' ' -f1-3), $(qemu-img --version | head -1 | cut -d' ' -f1-3), $(nproc) cores."
    echo "A kill comes once at least so much of the copy is told as its line says; the victim is the process named."
    echo
    sort -s -k1,1 "$scratch/log"
    echo
    echo "$pairs of 9 pairs passed, in $took s."
} >"$scratch/proof"
tail -1 "$scratch/proof"
if [[ $kills -eq 20 && $status -eq 0 && $pairs -eq 9 ]]; then
    mkdir -p "$(dirname "$proof")"
    cp "$scratch/proof" "$proof"
    echo "$proof is written"
elif [[ $status -ne 0 ]]; then
    sort -s -k1,1 "$scratch/log"
fi
exit "$status"
