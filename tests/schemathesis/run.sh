#!/usr/bin/env bash
# What the server's own OpenAPI document says, asked of the server by schemathesis, in both reply profiles:
#   tests/schemathesis/run.sh SERVER_BINARY OUT_DIR
#
# Writes nothing outside of OUT_DIR. The last line is `N passed, M failed`: operations, what holds of a whole run, and
# negative controls, all for each profile. What is demanded is in `demands.py`, what requests are given in `given.py`
# and `bodies.py`, that what is wrong would be noticed in `controls.py`.
#
# LONGHAUL_SCHEMATHESIS_REPEATS (1)   systematic requests of one kind and operation; 100 sends all that there are
# LONGHAUL_SCHEMATHESIS_EXAMPLES (4)  generated requests for each operation beside them
# LONGHAUL_SCHEMATHESIS_SEED (1)      chooses the generated ones; it is printed at the end of a run
# PYTHON                              the interpreter
#
# To replay a failure, run this again with the seed that was printed and the same two numbers: the same requests come
# in the same order. One case alone: start `longhaul serve --simulator --replies PROFILE`, log in, and send the `curl`
# line that is printed below the failure with the session in its Authorization header; ids in it are of the run's
# own world, so name such things of yours.
set -uo pipefail

[[ $# -eq 2 && -x $1 ]] || { echo "usage: $0 SERVER_BINARY OUT_DIR" >&2; exit 2; }
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$(realpath "$0")")" || exit 2

export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
venv=$out/venv
if ! cmp -s requirements.txt "$venv/installed.txt"; then
    rm -rf "$venv"
    if ! { "${PYTHON:-python3}" -m venv "$venv" && "$venv/bin/pip" install --quiet -r requirements.txt; }; then
        echo "schemathesis could not be installed; what it needs is in $PWD/requirements.txt" >&2
        echo "0 passed, 1 failed"
        exit 1
    fi
    cp requirements.txt "$venv/installed.txt"
fi

# Both at a time, since each keeps one processor busy.
for profile in fast zstack; do
    rm -rf "${out:?}/$profile"
    mkdir -p "$out/$profile"
    env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY \
        "$venv/bin/python" profile_run.py "$binary" "$profile" "$out/$profile" >"$out/$profile/output.txt" 2>&1 &
done
wait

passed=0 failed=0
for profile in fast zstack; do
    cat "$out/$profile/output.txt"
    counted=$(tail -n 1 "$out/$profile/output.txt")
    if [[ $counted =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
