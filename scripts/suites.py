#!/usr/bin/env python3
"""Counts tests per suite, whichever runner ran them, and holds the floor.

A suite is one test binary, named as cargo-nextest names it (longhaul-model, longhaul-server::kill), the examples in
doc comments, or the simulation, whose seeds are shown but not added up. FILE collects counts between calls.

  suites.py nextest FILE JUNIT     counts what cargo-nextest wrote
  suites.py cargo-test FILE        runs cargo test, examples in doc comments too, counts; fails where it fails
  suites.py doc-tests FILE         runs the examples in doc comments, counts; fails where they fail
  suites.py note FILE SUITE N      N of something that passed
  suites.py script FILE SUITE COMMAND…
                                   runs a script whose last line is `N passed, M failed`, counts; fails where it fails
  suites.py report FILE            the table against scripts/test-floor.txt; the closing line
  suites.py write-floor FILE       raises the floor to what was counted
"""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

FLOOR = "scripts/test-floor.txt"
DOCS = "examples in doc comments"
NOT_TESTS = {"simulation (seeds)", "simulation on PostgreSQL (seeds)"}
# What must have run on PostgreSQL.
ON_POSTGRES = ("longhaul-store::postgres", "longhaul-server::api_postgres", "longhaul-sim::postgres",
               "simulation on PostgreSQL (seeds)")
# Has the same cases as the first of them: one case less is a case that was left out.
MEMORY = "longhaul-store::memory"
NO_SERVER = "is LONGHAUL_TEST_POSTGRES set and the server there? tests/tools/postgres-dev.sh start DIR prints its URL"


def load(file):
    if not os.path.exists(file):
        return {}
    with open(file, encoding="utf-8") as text:
        return json.load(text)


def add(file, suite, passed, failed=0, skipped=0):
    counts = load(file)
    old = counts.get(suite, [0, 0, 0])
    counts[suite] = [old[0] + passed, old[1] + failed, old[2] + skipped]
    with open(file, "w", encoding="utf-8") as text:
        json.dump(counts, text)


def nextest(file, junit):
    for suite in xml.etree.ElementTree.parse(junit).getroot().iter("testsuite"):
        failed = sum(1 for case in suite.iter("testcase")
                     if case.find("failure") is not None or case.find("error") is not None)
        add(file, suite.get("name"), len(list(suite.iter("testcase"))) - failed, failed)
    # What nextest leaves out (ignored tests) is not in its report.
    listed = subprocess.run(["cargo", "nextest", "list", "--workspace", "--locked", "--profile", "all",
                             "--message-format", "json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for suite in json.loads(listed)["rust-suites"].values():
        ignored = sum(1 for case in suite["testcases"].values() if case["ignored"])
        if ignored:
            add(file, suite["binary-id"], 0, 0, ignored)


def binaries():
    """Test binaries by their path, named as cargo-nextest names them."""
    out = subprocess.run(["cargo", "test", "--workspace", "--locked", "--no-run", "--message-format", "json"],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    told = subprocess.run(["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    crates = {package["manifest_path"]: package["name"] for package in json.loads(told)["packages"]}
    found = {}
    for line in out.splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("reason") == "compiler-artifact" and said.get("executable") and said["profile"]["test"]:
            crate = crates[said["manifest_path"]]
            kind, target = said["target"]["kind"][0], said["target"]["name"]
            suite = {"lib": crate, "test": f"{crate}::{target}"}.get(kind, f"{crate}::{kind}/{target}")
            found[os.path.relpath(said["executable"])] = suite
    return found


RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")


def run_counted(command, suite_of):
    """Runs it, shows it, and yields (suite, passed, failed, ignored) at each closing line; then its status."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    suite = None
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        suite = suite_of(line) or suite
        result = RESULT.match(line)
        if result and suite:
            yield (suite, *map(int, result.groups()))
    if process.wait() != 0:
        yield None


def counted_run(file, command, suite_of):
    failed = False
    for row in run_counted(command, suite_of):
        if row is None:
            failed = True
        elif any(row[1:]):
            add(file, *row)
    sys.exit(1 if failed else 0)


def cargo_test(file):
    names = binaries()

    def suite_of(line):
        if re.match(r"\s*Doc-tests ", line):
            return DOCS
        found = re.match(r"\s*Running .*\((\S+)\)$", line)
        return names.get(os.path.relpath(found.group(1)), found.group(1)) if found else None

    counted_run(file, ["cargo", "test", "--workspace", "--locked", "--no-fail-fast", "--color", "never"], suite_of)


def doc_tests(file):
    counted_run(file, ["cargo", "test", "--workspace", "--locked", "--no-fail-fast", "--color", "never", "--doc"],
                lambda line: DOCS if re.match(r"\s*Doc-tests ", line) else None)


CLOSING = re.compile(r"^(\d+) passed, (\d+) failed$")


def script(file, suite, command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    last = ""
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        last = line.strip() or last
    status, result = process.wait(), CLOSING.match(last)
    passed, failed = map(int, result.groups()) if result else (0, 1)
    add(file, suite, passed, failed)
    sys.exit(0 if status == 0 and result and failed == 0 else 1)


def floors():
    found = {}
    if os.path.exists(FLOOR):
        with open(FLOOR, encoding="utf-8") as file:
            for line in file:
                text = line.split("#")[0].rstrip()
                if text:
                    suite, _, count = text.rpartition(" ")
                    found[suite.strip()] = int(count)
    return found


def report(file):
    counts, floor, wrong = load(file), floors(), []
    width = max([len(suite) for suite in (*counts, *floor)] + [5])
    print(f"{'suite':{width}}  passed  failed  floor")
    for suite in sorted({*counts, *floor}):
        passed, failed, skipped = counts.get(suite, [0, 0, 0])
        least = floor.get(suite, 0)
        print(f"{suite:{width}}  {passed:6}  {failed:6}  {least:5}")
        if passed + failed < least:
            wrong.append(f"{suite}: {passed + failed} run, the floor is {least}: bring the missing tests back, or lower"
                         f" {FLOOR} in the change that removes them and say why")
        if skipped:
            wrong.append(f"{suite}: {skipped} skipped; no test is skipped here")
    run = {suite: sum(counts.get(suite, [0, 0, 0])[:2]) for suite in (*ON_POSTGRES, MEMORY)}
    for suite in ON_POSTGRES:
        if run[suite] == 0:
            wrong.append(f"{suite}: nothing run: what the store keeps must be seen on PostgreSQL too; {NO_SERVER}")
    if 0 < run[ON_POSTGRES[0]] < run[MEMORY]:
        wrong.append(f"{ON_POSTGRES[0]}: {run[ON_POSTGRES[0]]} run, {MEMORY}: {run[MEMORY]}: PostgreSQL must pass the"
                     f" whole conformance suite; {NO_SERVER}")
    tests = [row for suite, row in counts.items() if suite not in NOT_TESTS]
    passed, failed = sum(row[0] for row in tests), sum(row[1] for row in tests)
    if passed + failed == 0:
        wrong.append("no test was run")
    for line in wrong:
        print(f"!! {line}", file=sys.stderr)
    sys.stderr.flush()
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if wrong or failed else 0)


def write_floor(file):
    counts, floor = load(file), floors()
    raised = {suite: max(row[0] + row[1], floor.get(suite, 0)) for suite, row in counts.items()}
    with open(FLOOR, "w", encoding="utf-8") as out:
        out.write("# The least number of tests of each suite; ./test.sh fails below it. Raised by ./test.sh --write-floor,\n"
                  "# lowered by hand, in the change that removes the tests.\n")
        for suite in sorted({**floor, **raised}):
            out.write(f"{suite} {raised.get(suite, floor.get(suite))}\n")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    match sys.argv[1:]:
        case ["nextest", file, junit]:
            nextest(file, junit)
        case ["cargo-test", file]:
            cargo_test(file)
        case ["doc-tests", file]:
            doc_tests(file)
        case ["note", file, suite, count]:
            add(file, suite, int(count))
        case ["script", file, suite, *command] if command:
            script(file, suite, command)
        case ["report", file]:
            report(file)
        case ["write-floor", file]:
            write_floor(file)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
