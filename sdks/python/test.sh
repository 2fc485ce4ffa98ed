#!/usr/bin/env bash
# Tests of the Python SDK: sdks/python/test.sh SERVER_BINARY OUT_DIR
#
# Builds the wheel, installs it with the pinned tools into a virtual environment below OUT_DIR, checks types and
# the least Python version, runs all tests against the server, and once more on Python 3.9 where there is one.
# Writes nothing outside of OUT_DIR. PYTHON chooses the interpreter. The last line is `N passed, M failed`; a
# skipped test counts as failed.
set -uo pipefail

[[ $# -eq 2 && -x $1 ]] || { echo "usage: $0 SERVER_BINARY OUT_DIR" >&2; exit 2; }
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$(realpath "$0")")" || exit 2

export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 LONGHAUL_BINARY=$binary
passed=0 failed=0

finish() {
    echo "$passed passed, $failed failed"
    [[ $failed -eq 0 && $passed -gt 0 ]]
    exit
}

# check NAME COMMAND...: one that passes or fails; its output is shown if it fails.
check() {
    local name=$1 log
    shift
    if log=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        printf '%s\nFAILED  %s\n' "$log" "$name"
        return 1
    fi
}

# install PYTHON VENV: the pinned tools, and the package from its wheel.
install() {
    rm -rf "$2"
    "$1" -m venv "$2" && "$2/bin/pip" install --quiet -r requirements-test.txt
}

build_wheel() {
    rm -rf "$out/dist"
    "$venv/bin/pip" wheel --quiet --no-deps --no-build-isolation --wheel-dir "$out/dist" .
}

# The tests must see the installed package, not the tree: only so is it known that the wheel has everything.
run_tests() {
    local venv=$1 report=$2
    rm -f "$report"
    env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY \
        "$venv/bin/python" -X dev -m pytest -q -p no:cacheprovider --junitxml "$report" tests
    [[ -s $report ]] || return 1
}

# Adds the report's numbers to the counts.
count() {
    local numbers
    numbers=$("$venv/bin/python" - "$1" <<'PYTHON'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite").attrib
bad = sum(int(suite[key]) for key in ("failures", "errors", "skipped"))
print(int(suite["tests"]) - bad, bad)
PYTHON
    ) || numbers="0 1"
    passed=$((passed + ${numbers% *}))
    failed=$((failed + ${numbers#* }))
}

# An interpreter that has only its name is none: a shim of another version.
python_3_9() {
    [[ $("$venv/bin/python" -c 'import sys; print(sys.version_info[:2] == (3, 9))') == False ]] &&
        python3.9 -c '' 2>/dev/null
}

venv=$out/venv
check "virtual environment with the pinned tools" install "${PYTHON:-python3}" "$venv" || finish
check "wheel" build_wheel || finish
check "wheel installs" "$venv/bin/pip" install --quiet --no-deps "$out"/dist/longhaul-*.whl || finish
check "mypy --strict" "$venv/bin/mypy" --strict --cache-dir "$out/mypy" src tests
check "types of the installed package" \
    "$venv/bin/mypy" --strict --cache-dir "$out/mypy-installed" --config-file /dev/null -c \
    'from longhaul import Longhaul, actions; Longhaul("x", token="t").jobs.get("u").wait().state.final; actions.Config()'
check "Python 3.9 is enough" "$venv/bin/vermin" --quiet --no-tips --eval-annotations -t=3.9- --violations src tests
if run_tests "$venv" "$out/report.xml"; then count "$out/report.xml"; else failed=$((failed + 1)); fi
if python_3_9; then
    old() {
        install python3.9 "$out/venv-3.9" &&
            "$out/venv-3.9/bin/pip" install --quiet --no-deps "$out"/dist/longhaul-*.whl &&
            run_tests "$out/venv-3.9" "$out/report-3.9.xml" && grep -q 'errors="0" failures="0" skipped="0"' "$out/report-3.9.xml"
    }
    check "the same tests on Python 3.9" old
fi
finish
