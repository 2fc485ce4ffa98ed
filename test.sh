#!/usr/bin/env bash
# Everything that must hold before a change is merged: the gates, then every suite.
#
#   ./test.sh                all of it; what CI runs
#   ./test.sh --gates        the gates alone (--gates NAME…: only these; --list names them)
#   ./test.sh --tests        the suites alone
#   ./test.sh --write-floor  the suites, then raises scripts/test-floor.txt to what was counted
#
# LONGHAUL_SIM_SEEDS (200) says how many seeds are simulated, LONGHAUL_SIM_POSTGRES_SEEDS (8) how many on PostgreSQL;
# LONGHAUL_FUZZ_SECONDS (3) for how long each fuzz target runs; LONGHAUL_CHAOS_SECONDS (30; 300 in full) for how long nodes
# and their database are killed, LONGHAUL_CHAOS_SEED (1) by which plan. The suites of the store run once on each store, those
# of the API and the simulation again on PostgreSQL, in a shorter form: LONGHAUL_API_POSTGRES_PROFILES=both runs the API's in
# both reply profiles there. A run in which one of PostgreSQL's is missing fails. Tests that kill processes in rounds read
# LONGHAUL_KILL_ROUNDS and LONGHAUL_MIGRATION_KILLS; unset, they run in full. LONGHAUL_TEST_CEPH_CONF and
# LONGHAUL_TEST_POSTGRES name a cluster and a PostgreSQL server (a URL) to use in the place of those that are started for the
# suites. How much schemathesis asks is said in tests/schemathesis/run.sh. LONGHAUL_DEMO_JOBS (500) is the number of jobs in
# demos/orphans.sh. Last line: `N passed, N failed`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

source scripts/lib.sh
source scripts/tools.sh
source scripts/gates.sh
source scripts/suites.sh

main() {
    local what=all write_floor=no
    case "${1:-}" in
        "") ;;
        --gates) what=gates; shift ;;
        --tests) what=tests; shift ;;
        --write-floor) what=tests; write_floor=yes; shift ;;
        --list) printf '%s\n' "${GATES[@]}"; return 0 ;;
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; return 0 ;;
        *) echo "test.sh: unknown argument $1; see ./test.sh --help" >&2; return 2 ;;
    esac
    if [[ $what != tests ]]; then
        step "tools of the gates" install_gate_tools
        run_gates "$@"
    fi
    if [[ $what != gates ]]; then
        step "tools of the suites" install_suite_tools
        run_suites "$write_floor"
    fi
    print_times
    if [[ $what == gates ]]; then
        print_gates
    else
        print_counts
    fi
}

main "$@"
