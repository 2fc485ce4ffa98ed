#!/usr/bin/env python3
"""Holds docs/reliability.md to its promises: every claim has a proof, a witness, its scales and a control; every test
that the page names is one, every path is there, every gate and setting that it names exists. Another page may be
given, which is how a test sees that this notices something."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["claim", "tested by", "witness outside", "in `./test.sh`", "run once", "negative control"]
TARGETS = ["target", "tested by", "corpus", "in `./test.sh`", "run once"]
# A name of a test, as this tree writes them: three words at least.
NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+){2,}")


def rust_files():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rs"],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in out.split("\0") if name and (path := ROOT / name).is_file()]


def tests():
    """Every test: below #[test], in the store's conformance suite, or made by a macro out of its name."""
    names = set()
    for path in rust_files():
        text = path.read_text(encoding="utf-8")
        for attribute in re.finditer(r"#\[(?:tokio::)?test", text):
            found = re.search(r"\bfn (\w+)", text[attribute.end():])
            names.update(found.groups() if found else ())
        if "/conformance/" in path.as_posix():
            names.update(re.findall(r"pub async fn (\w+)", text))
        if "proptest!" in text:
            names.update(re.findall(r"^    fn (\w+)\(", text, flags=re.M))
        names.update(re.findall(r"^ {4}(\w+): \w+, \"", text, flags=re.M))
    return names


def rows(page, head):
    """The rows of each table with these columns, and their line numbers."""
    lines = page.splitlines()
    inside = False
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells == head:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            yield number, cells


def check(page):
    """One line for each thing that is wrong."""
    known = tests()
    settings = " ".join(path.read_text(encoding="utf-8") for path in rust_files()) + (
        (ROOT / "scripts/suites.sh").read_text(encoding="utf-8")) + " ".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").glob("**/*.py")))
    gates = set(re.findall(r"^gate_(\w+)\(\)", (ROOT / "scripts/gates.sh").read_text(encoding="utf-8"), flags=re.M))
    claims = list(rows(page, COLUMNS))
    if len(claims) < 20:
        yield f"{len(claims)} claims: the table was not found, or lost rows"
    for number, cells in claims + list(rows(page, TARGETS)):
        size = len(COLUMNS) if (number, cells) in claims else len(TARGETS)
        if len(cells) != size or not all(cells):
            yield f"line {number}: {size} columns, none empty (write – where there is nothing)"
            continue
        named = [name for name in re.findall(r"`([^`]+)`", cells[1]) if NAME.fullmatch(name) or "/" in name]
        if not named and "FIGURE-" not in cells[1]:
            yield f"line {number}: nothing proves `{cells[0]}`: name a test or a suite"
    prose = re.sub(r"^```.*?^```", lambda found: "\n" * found.group().count("\n"), page, flags=re.S | re.M)
    for number, line in enumerate(prose.splitlines(), 1):
        for name in re.findall(r"`([^`]+)`", line):
            if name.startswith("gate ") and name.removeprefix("gate ") not in gates:
                yield f"line {number}: there is no {name}"
            elif re.fullmatch(r"LONGHAUL_[A-Z_]+", name) and name not in settings:
                yield f"line {number}: nothing reads {name}"
            elif re.fullmatch(r"(?:crates|docs|scripts|sdks|tests)/[\w./-]+", name) and not (ROOT / name).exists():
                yield f"line {number}: there is no {name}"
            elif NAME.fullmatch(name) and name not in known:
                yield f"line {number}: there is no test {name}"


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/reliability.md"
    page = path.read_text(encoding="utf-8")
    wrong = list(check(page))
    for line in wrong:
        print(f"check-reliability: {line}", file=sys.stderr)
    open_figures = len(re.findall(r"FIGURE-[A-Z]+", page))
    tail = f", {open_figures} figures still to be filled in" if open_figures else ""
    print(f"reliability: {len(list(rows(page, COLUMNS)))} claims{tail}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
