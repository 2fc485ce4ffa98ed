#!/usr/bin/env bash
# Runs the examples of docs/ and of README.md against the server, and compares what they print with what stands under
# them: tests/docs/run.sh SERVER_BINARY OUT_DIR [DOCUMENT...]
#
# Builds the Java SDK and a virtual environment with the Python SDK below OUT_DIR. The examples call localhost:8080,
# so everything runs in a network of its own (unshare, ip). The last line is `N passed, N failed`.
# LONGHAUL_DOCS_TEST_SECONDS (900) ends a run that hangs. PYTHON chooses the interpreter. How a document says what is
# run and compared: blocks.py and expected.py.
set -euo pipefail

[[ $# -ge 2 && -x $1 ]] || { echo "usage: tests/docs/run.sh SERVER_BINARY OUT_DIR [DOCUMENT...]" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sdks=$(realpath "$here/../../sdks")
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
shift 2
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
gson=${GSON_JAR:-/usr/share/java/gson.jar}

# The runner first: that a wrong expectation fails.
own=$("${PYTHON:-python3}" "$here/selftest.py" 2>&1) || { printf '%s\n0 passed, 1 failed\n' "$own"; exit 1; }
own=$(sed -n 's/^Ran \([0-9]*\) tests.*/\1/p' <<<"$own")

"$sdks/java/build.sh" "$out/sdk-java"
classpath=$(echo "$out"/sdk-java/longhaul-sdk-*[0-9].jar):$gson
rm -rf "$out/java" "$out/java-tools"
mkdir -p "$out/java-tools"
javac --release 17 -encoding UTF-8 -Xlint:all -Werror -d "$out/java-tools" \
    "$sdks/java/test/longhaul/sdk/test/Snippets.java" "$here/Run.java"

rm -rf "$out/venv"
"${PYTHON:-python3}" -m venv "$out/venv"
# The versions that the SDK's own tests pin.
"$out/venv/bin/pip" install --quiet --constraint "$sdks/python/requirements-test.txt" "$sdks/python"

# A network of its own needs root, or a user namespace.
apart=(unshare -n)
[[ $(id -u) -eq 0 ]] || apart=(unshare -r -n)
status=0
timeout --kill-after=10 "${LONGHAUL_DOCS_TEST_SECONDS:-900}" \
    "${apart[@]}" sh -c 'ip link set lo up && exec "$@"' sh \
    "$out/venv/bin/python" "$here/run.py" --binary "$binary" --out "$out" --python "$out/venv/bin/python" \
    --classpath "$classpath" --java-tools "$out/java-tools" "$@" >"$out/said.txt" || status=$?
sed '$d' "$out/said.txt"
last=$(tail -n 1 "$out/said.txt")
if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    echo "$((BASH_REMATCH[1] + own)) passed, ${BASH_REMATCH[2]} failed"
else
    printf '%s\nstatus %s; 124 is the limit of time\n%s passed, 1 failed\n' "$last" "$status" "$own"
    exit 1
fi
exit "$status"
