#!/usr/bin/env bash
# Runs every demo: test.sh SERVER_BINARY OUT_DIR. Each line that begins with `ok` or `not ok` is one; the last counts.
set -uo pipefail
[[ $# == 2 ]] || { echo "usage: $0 SERVER_BINARY OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LONGHAUL=$(realpath "$1")
export LONGHAUL
mkdir -p "$2"
out=$(realpath "$2")
# The cluster of the tests, if there is one, is the demos' too.
if [[ -n ${LONGHAUL_TEST_CEPH_CONF:-} ]]; then
    export CEPH_CONF=$LONGHAUL_TEST_CEPH_CONF LONGHAUL_DEMO_POOL=ps-a
fi
passed=0 failed=0
run() {
    local name=$1 log=$out/$1$2.log
    if "${@:3}" "$here/$name.sh" >"$log" 2>&1; then
        echo "ok $name$2"
        passed=$((passed + 1))
    else
        echo "not ok $name$2"
        cat "$log"
        failed=$((failed + 1))
    fi
}
run paste-the-reference "" env -u LONGHAUL_DEMO_POOL bash
[[ -z ${LONGHAUL_DEMO_POOL:-} ]] || run paste-the-reference "-to-a-pool" bash
for name in thirty-kills the-bit-flip the-vm-is-on empty-the-storage; do
    run "$name" "" bash
done
run the-zombie "" bash
# Ten thousand take minutes in a debug build.
run orphans "" env LONGHAUL_DEMO_JOBS="${LONGHAUL_DEMO_JOBS:-500}" bash
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
