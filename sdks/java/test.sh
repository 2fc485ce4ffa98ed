#!/usr/bin/env bash
# Builds the Java SDK and tests it: against scripted servers, then against `longhaul serve --demo` in both reply
# profiles. The snippets of the public reference and of the README are compiled and run as they stand.
#
#   sdks/java/test.sh SERVER_BINARY OUT_DIR
#
# The reference's snippets call localhost:8080, so everything runs in a network of its own (unshare, ip). Last line:
# `N passed, N failed`. LONGHAUL_JAVA_TEST_SECONDS (600) ends a run that hangs.
set -euo pipefail

[[ $# -eq 2 ]] || { echo "usage: sdks/java/test.sh SERVER_BINARY OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ -x $1 ]] || { echo "!! there is no server at $1; build it: cargo build --release" >&2; exit 1; }
server=$(realpath "$1")
"$here/build.sh" "$2"
out=$(cd "$2" && pwd)
gson=${GSON_JAR:-/usr/share/java/gson.jar}
classpath=$(echo "$out"/longhaul-sdk-*[0-9].jar):$gson

rm -rf "$out/made" "$out/test-classes"
mkdir -p "$out/made" "$out/test-classes"
javac --release 17 -encoding UTF-8 -Xlint:all -Werror -d "$out/test-classes" \
    "$here/test/longhaul/sdk/test/Snippets.java"
java -cp "$out/test-classes" longhaul.sdk.test.Snippets "$here/test/reference" "$here/README.md" "$out/made"
find "$here/test" "$out/made" -name '*.java' | sort >"$out/test-sources.list"
javac --release 17 -encoding UTF-8 -Xlint:all -Werror -cp "$classpath" -d "$out/test-classes" \
    @"$out/test-sources.list"

# A network of its own needs root, or a user namespace.
apart=(unshare -n)
[[ $(id -u) -eq 0 ]] || apart=(unshare -r -n)
exec timeout --kill-after=10 "${LONGHAUL_JAVA_TEST_SECONDS:-600}" \
    "${apart[@]}" sh -c 'ip link set lo up && exec "$@"' sh \
    java -Xmx512m -Dfile.encoding=UTF-8 -cp "$classpath:$out/test-classes" longhaul.sdk.test.Main \
    "$server" "$here" "$out"
