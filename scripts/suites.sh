# shellcheck shell=bash
# The suites: tests of all crates, the examples in doc comments, the simulation, the clients in other languages,
# the bench binary's build.
# Counts go through scripts/suites.py. Sourced by test.sh. Whatever needs processes, disks or ports is a test of
# a crate; it takes free loopback ports, and port 8080 only inside `unshare -n`.

COUNTS=target/suites.json
# Suites in other languages, and the examples of the documents: name|script. Each is called with the server's binary
# and a directory for what it makes.
CLIENT_SUITES=("sdks/python|sdks/python/test.sh" "sdks/java|sdks/java/test.sh" "docs|tests/docs/run.sh"
    "clients/mcp|tests/clients/mcp/run.sh" "clients/upload|tests/clients/upload/run.sh" "demos|demos/test.sh"
    "schemathesis|tests/schemathesis/run.sh")

run_suites() {
    local write_floor=$1 failed=0
    mkdir -p target
    rm -f "$COUNTS"
    step "build of all tests" cargo test --workspace --locked --no-run --quiet
    step "a Ceph cluster of one node" start_ceph
    step "a PostgreSQL server" start_postgres
    timed "tests of all crates" run_tests || failed=1
    timed "examples in the documentation" run_doc_tests || failed=1
    timed "simulation" run_simulation "" "simulation (seeds)" "${LONGHAUL_SIM_SEEDS:-200}" || failed=1
    timed "simulation on PostgreSQL" run_simulation postgres "simulation on PostgreSQL (seeds)" \
        "${LONGHAUL_SIM_POSTGRES_SEEDS:-8}" || failed=1
    local client
    for client in "${CLIENT_SUITES[@]}"; do
        timed "${client%%|*}" run_client_suite "${client%%|*}" "${client#*|}" || failed=1
    done
    timed "bench binary builds" cargo build --locked --quiet -p longhaul-bench || failed=1
    stop_servers
    if [[ $failed -eq 0 && $write_floor == yes ]]; then
        python3 scripts/suites.py write-floor "$COUNTS"
    fi
    SUITES_FAILED=$failed
}

# With cephx, on loopback, in a directory of its own; a cluster that LONGHAUL_TEST_CEPH_CONF names is used as it is.
# It is stopped and deleted however the script ends.
start_ceph() {
    [[ -n ${LONGHAUL_TEST_CEPH_CONF:-} ]] && return 0
    CEPH_DIR=$(mktemp -d --suffix=.longhaul-ceph)
    trap stop_servers EXIT
    LONGHAUL_TEST_CEPH_CONF=$(CEPH_DEV_CEPHX=1 tests/tools/ceph-dev-cluster.sh start "$CEPH_DIR/cluster" | tail -1) ||
        return 1
    [[ -f $LONGHAUL_TEST_CEPH_CONF ]] || { broken "the Ceph cluster did not start; see above"; return 1; }
    export LONGHAUL_TEST_CEPH_CONF
}

stop_ceph() {
    [[ -n ${CEPH_DIR:-} ]] || return 0
    tests/tools/ceph-dev-cluster.sh clean "$CEPH_DIR/cluster" 2>/dev/null || true
    rm -rf "$CEPH_DIR"
    CEPH_DIR=
}

# On loopback, in a directory of its own, stopped and deleted however the script ends; a server whose URL
# LONGHAUL_TEST_POSTGRES holds is used as it is: each test makes a database of its own there.
start_postgres() {
    [[ -n ${LONGHAUL_TEST_POSTGRES:-} ]] && return 0
    POSTGRES_DIR=$(mktemp -d --suffix=.longhaul-postgres)
    trap stop_servers EXIT
    PG_DEV_BIN=$(postgres_bin) || return 1
    export PG_DEV_BIN
    LONGHAUL_TEST_POSTGRES=$(tests/tools/postgres-dev.sh start "$POSTGRES_DIR" | tail -1)
    [[ $LONGHAUL_TEST_POSTGRES == postgres://* ]] ||
        { broken "the PostgreSQL server did not start; see above"; return 1; }
    export LONGHAUL_TEST_POSTGRES
}

stop_postgres() {
    [[ -n ${POSTGRES_DIR:-} ]] || return 0
    tests/tools/postgres-dev.sh clean "$POSTGRES_DIR" 2>/dev/null || true
    rm -rf "$POSTGRES_DIR"
    POSTGRES_DIR=
}

stop_servers() {
    stop_ceph
    stop_postgres
}

# The table, the floor, the closing line; ends the script with the verdict.
print_counts() {
    heading "tests per suite"
    local failed=0
    python3 scripts/suites.py report "$COUNTS" || failed=1
    [[ $SUITES_FAILED -eq 0 && $failed -eq 0 ]] || exit 1
}

# LONGHAUL_NEXTEST=no leaves it aside where it is installed.
have_nextest() { [[ ${LONGHAUL_NEXTEST:-yes} != no ]] && cargo nextest --version >/dev/null 2>&1; }

# cargo-nextest if it is here, else cargo test; both count the same suites.
run_tests() {
    if have_nextest; then
        local status=0
        rm -f target/nextest/all/junit.xml
        # One more at a time than there are processors: most of them wait for a disk, a server or a clock.
        cargo nextest run --workspace --locked --profile all --no-fail-fast --test-threads $(($(nproc) + 1)) || status=$?
        python3 scripts/suites.py nextest "$COUNTS" target/nextest/all/junit.xml || status=1
        [[ $status -eq 0 ]] || { broken "tests failed; one alone: cargo nextest run NAME"; return 1; }
    else
        python3 scripts/suites.py cargo-test "$COUNTS" ||
            { broken "tests failed; one alone: cargo test --workspace NAME"; return 1; }
    fi
}

run_doc_tests() {
    if ! have_nextest; then
        echo "cargo test has run them"
        return 0
    fi
    python3 scripts/suites.py doc-tests "$COUNTS" ||
        { broken "an example in a doc comment fails; run: cargo test --workspace --doc"; return 1; }
}

# A client's own tests against the real server.
run_client_suite() {
    local suite=$1 script=$2
    cargo build --locked --quiet -p longhaul-server || return 1
    python3 scripts/suites.py script "$COUNTS" "$suite" "$script" target/debug/longhaul "target/$suite" ||
        { broken "a test of $suite failed; run: $script target/debug/longhaul target/$suite"; return 1; }
}

# run_simulation STORE SUITE SEEDS: STORE is empty for the stores that are in the simulated world. A failing seed prints
# how to replay it.
run_simulation() {
    local store=$1 suite=$2 seeds=$3 status=0
    LONGHAUL_SIM_STORE=$store LONGHAUL_SIM_SEEDS=$seeds timeout 1200 cargo run --locked --quiet -p longhaul-sim ||
        status=$?
    if [[ $status -ne 0 ]]; then
        broken "the simulation found something (status $status; 124 = it ran over 20 minutes); replay as shown above"
        return 1
    fi
    python3 scripts/suites.py note "$COUNTS" "$suite" "$seeds"
}
