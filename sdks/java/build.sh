#!/usr/bin/env bash
# Builds the Java SDK with javac and jar alone: the classes, their documentation, and three jars as they are published.
#
#   sdks/java/build.sh OUT_DIR      e.g. target/sdks/java; made if missing, what was built there before is replaced
#
# Needs a JDK of 17 or newer and Gson's jar: GSON_JAR, else where Debian's libgoogle-gson-java puts it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -eq 1 ]] || { echo "usage: sdks/java/build.sh OUT_DIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
gson=${GSON_JAR:-/usr/share/java/gson.jar}

for tool in javac javadoc jar; do
    command -v "$tool" >/dev/null ||
        { echo "!! there is no $tool: install a JDK of 17 or newer (Debian: openjdk-17-jdk-headless)" >&2; exit 1; }
done
[[ -f $gson ]] ||
    { echo "!! there is no $gson: install libgoogle-gson-java, or set GSON_JAR to Gson's jar" >&2; exit 1; }

version=$(sed -n 's|^    <version>\(.*\)</version>$|\1|p' "$here/pom.xml")
name=longhaul-sdk-$version
sources=$here/src/main/java
rm -rf "$out/classes" "$out/javadoc" "$out/META-INF" "$out"/longhaul-sdk-*.jar
mkdir -p "$out/classes" "$out/META-INF"

find "$sources" -name '*.java' | sort >"$out/sources.list"
javac --release 17 -encoding UTF-8 -Xlint:all -Werror -cp "$gson" -d "$out/classes" @"$out/sources.list"
javadoc -quiet -encoding UTF-8 --release 17 -Xdoclint:all -Werror -notimestamp -windowtitle "$name" \
    -cp "$gson" -d "$out/javadoc" @"$out/sources.list"

cp "$here/../../LICENSE" "$out/META-INF/LICENSE"
printf '%s\n' "Automatic-Module-Name: longhaul.sdk" "Implementation-Title: longhaul-sdk" \
    "Implementation-Version: $version" >"$out/manifest"
jar --create --file "$out/$name.jar" --manifest "$out/manifest" -C "$out/classes" . -C "$out" META-INF/LICENSE
jar --create --file "$out/$name-sources.jar" -C "$sources" . -C "$out" META-INF/LICENSE
jar --create --file "$out/$name-javadoc.jar" -C "$out/javadoc" .
echo "$out/$name.jar"
