#!/usr/bin/env python3
"""Checks of the source tree that no compiler makes: crate arrows, what a file may say, links, duplicates.

Each check is a function named in CHECKS; it yields one line for each thing that is wrong and says what to do.
Run one: scripts/tree.py NAME.
"""

import json
import os
import re
import subprocess
import sys

# Who may import whom (normal and build dependencies). ARCHITECTURE.md shows the same map.
ARROWS = {
    "model": set(),
    "wire": {"model"},
    "cli": {"model", "wire"},
    "store": {"model"},
    "engine": {"model", "store"},
    "jobs": {"model", "engine"},
    "server": {"model", "wire", "store", "engine", "jobs", "cli"},
    "sim": {"model", "wire", "store", "engine", "jobs"},
    "bench": {"model", "wire", "store", "engine", "jobs", "cli", "server"},
}

# What tests of a crate may import besides. Empty until a test needs it and its reason stands here.
TEST_ARROWS = {}

# Dependencies from outside that only these crates may have. "tests" means: as a dev-dependency anywhere.
OUTSIDE = {
    "rusqlite": {"store", "bench"},
    "axum": {"server"},
    "hyper": {"server", "bench"},
    "utoipa": {"wire", "server"},
    "utoipa-axum": {"server"},
    "clap": {"cli", "server", "sim", "bench"},
    "reqwest": {"cli", "server", "bench", "tests"},
    "imago": {"jobs"},
    "argon2": {"server"},
    "anyhow": {"cli", "server", "sim", "bench", "tests"},
    "sqlx": set(),
    "diesel": set(),
    "openssl": set(),
    "chrono": set(),
}

# Crates that know no async runtime: not as a dependency, not by name.
NO_RUNTIME = {"model", "wire"}

MAX_LINES = 500

# Pattern, what is wrong; over code without its comments.
WORDS_IN_CODE = [
    (r"\btodo!\s*\(|\bunimplemented!\s*\(", "unfinished: write it, or leave it out and open an issue"),
    (r"#\[ignore", "an ignored test proves nothing: make it pass, or delete it"),
]
# The same over whole lines, comments too.
WORDS_ANYWHERE = [
    (r"\bFIXME\b|\bXXX\b|\bTODO\b", "a note to yourself: do it, or open an issue"),
]
# Crate -> what its source must not name, and why.
WORDS_OF_CRATES = {
    "model": (r"\btokio::|\baxum\b|\brusqlite\b|\bserde_json::from_reader\b", "model has no I/O and no runtime"),
}
ONLY_STORE = (r"\brusqlite\b", {"store", "bench"}, "SQL stays in store")


def listed(*patterns):
    """Files of the tree as git sees them: known, or new and not ignored; not those deleted."""
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        check=True, capture_output=True, text=True,
    ).stdout
    return sorted({name for name in out.split("\0") if name and os.path.isfile(name)})


def crate_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "crates" and len(parts) > 1 else None


def code_of(text):
    """The text with `//` comments blanked; line numbers stay. Strings with `//` after a colon (URLs) stay."""
    return re.sub(r"(?<!:)//.*", "", text)


def sources():
    """Every .rs file: opens with `//!`, is short, leaves nothing unfinished, names only what its crate may."""
    for path in listed("*.rs"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines = text.splitlines()
        first = next((line for line in lines if line.strip() and not line.startswith("#!")), "")
        if not first.startswith("//!"):
            yield f"{path}:1: open with //! and say what lives here, what doesn't, where to go next"
        if len(lines) > MAX_LINES:
            yield f"{path}: {len(lines)} lines, more than {MAX_LINES}: split it by subject"
        checks = [(code_of(text), pattern, why) for pattern, why in WORDS_IN_CODE]
        checks += [(text, pattern, why) for pattern, why in WORDS_ANYWHERE]
        crate = crate_of(path)
        if crate in WORDS_OF_CRATES:
            checks.append((code_of(text), *WORDS_OF_CRATES[crate]))
        pattern, crates, why = ONLY_STORE
        if crate not in crates:
            checks.append((code_of(text), pattern, why))
        for where, pattern, why in checks:
            for number, line in enumerate(where.splitlines(), 1):
                found = re.search(pattern, line)
                if found:
                    yield f"{path}:{number}: `{found.group().strip()}`: {why}"


def arrows():
    """`cargo metadata --no-deps` on standard input: each crate imports only what the map allows."""
    prefix = "longhaul-"
    packages = json.load(sys.stdin)["packages"]
    for package in packages:
        crate = package["name"].removeprefix(prefix)
        if crate not in ARROWS:
            yield f"crate {crate} is not in the map: add its arrows to scripts/tree.py and ARCHITECTURE.md"
            continue
        for dependency in package["dependencies"]:
            name, in_tests = dependency["name"], dependency["kind"] == "dev"
            if name.startswith(prefix):
                other = name.removeprefix(prefix)
                allowed = ARROWS[crate] | (TEST_ARROWS.get(crate, set()) if in_tests else set())
                if other != crate and other not in allowed:
                    kind = "tests of " if in_tests else ""
                    yield (f"{kind}{crate} must not import {other} (allowed: {', '.join(sorted(allowed)) or 'nothing'}):"
                           " move the code to where the arrow points")
            elif name in OUTSIDE and crate not in OUTSIDE[name]:
                if not (in_tests and "tests" in OUTSIDE[name]):
                    only = ", ".join(sorted(OUTSIDE[name] - {"tests"})) or "no crate"
                    yield f"{crate} must not depend on {name}: only {only} may"
            elif name == "tokio" and crate in NO_RUNTIME:
                yield f"{crate} must not depend on tokio: it knows no async runtime"


def anchors_of(path):
    """Anchors of a markdown file, as they are made from its headings."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"^```.*?^```", "", file.read(), flags=re.S | re.M)
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ +(.*)$", text, flags=re.M):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def tests_named():
    """Names of all functions and of all gates, for documents that say what holds an invariant."""
    names = set()
    for path in listed("crates/*.rs"):
        with open(path, encoding="utf-8") as file:
            names.update(re.findall(r"\bfn (\w+)|^\s+(\w+):(?= \w+, \")", file.read(), flags=re.M))
    names = {name for found in names for name in found if name}
    with open("scripts/gates.sh", encoding="utf-8") as file:
        return names | {f"gate {name}" for name in re.findall(r"^gate_(\w+)\(\)", file.read(), flags=re.M)}


def links():
    """Links, paths in backticks, and what "Held by" names, in every markdown file, are there."""
    there_are = tests_named()
    for path in listed("*.md"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        blank = lambda found: "\n" * found.group().count("\n")
        text = re.sub(r"^```.*?^```", blank, text, flags=re.S | re.M)
        for invariant in re.findall(r"^Invariant:.*?(?=\n\n)", text, flags=re.S | re.M):
            if not re.search(r"Held\s+by", invariant):
                yield f"{path}: nothing holds `{invariant.splitlines()[0]}`: name a test or a gate"
        for number, line in enumerate(text.splitlines(), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z][a-z0-9+.-]*:", target):
                    continue
                name, _, anchor = target.partition("#")
                there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                if not os.path.exists(there):
                    yield f"{path}:{number}: the link {target} leads nowhere"
                elif anchor and there.endswith(".md") and anchor not in anchors_of(there):
                    yield f"{path}:{number}: {there} has no heading #{anchor}"
            if path == "ARCHITECTURE.md":
                for name in re.findall(r"`(gate \w+|\w+_\w+_\w+_\w+)`", line):
                    if name not in there_are:
                        yield f"{path}:{number}: there is no test or gate {name}"
            for name in re.findall(r"`((?:crates|docs|scripts|\.ci)/[\w./-]+)`", line):
                if not os.path.exists(name):
                    yield f"{path}:{number}: there is no {name}"


def duplicates():
    """`cargo tree --duplicates` on standard input against the list that is the second argument."""
    with open(sys.argv[2], encoding="utf-8") as file:
        allowed = {line.split("#")[0].strip() for line in file} - {""}
    versions = {}
    for line in sys.stdin:
        words = line.split()
        if len(words) >= 2:
            versions.setdefault(words[0], set()).add(words[1])
    found = {name: all_of for name, all_of in versions.items() if len(all_of) > 1}
    for name in sorted(found.keys() - allowed):
        yield (f"{name} is in the tree as {', '.join(sorted(found[name]))}: see `cargo tree -d -i {name}`, keep one;"
               f" if there is no way, add it with its reason to {sys.argv[2]}")
    for name in sorted(allowed - found.keys()):
        yield f"{name} is there once only: remove its line from {sys.argv[2]}"


CHECKS = {check.__name__: check for check in (sources, arrows, links, duplicates)}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: scripts/tree.py {'|'.join(CHECKS)}")
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    wrong = list(CHECKS[sys.argv[1]]())
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(f"!! {len(wrong)} found; again: scripts/tree.py {sys.argv[1]}")


if __name__ == "__main__":
    main()
