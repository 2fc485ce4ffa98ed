#!/usr/bin/env python3
"""Holds docs/limits.md to the code: each row's value is that of its constant or of its setting's default, and every
setting that is a number and every constant that is called a maximum has its row, or stands below with the reason."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| ([^|]+) \| (none|(\d+)(?: (\w+))?) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
FIXED = re.compile(r"fixed: `(\w+)`, `([\w./-]+)`")
CONSTANT = r"const (\w+): [\w:]+ = ([^;]+);"
# Times in ms, sizes in bytes, all else as it is.
UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000,
         "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "characters": 1, "": 1}
# Constants called a maximum that limit nothing a user meets, and why.
INNER = {
    "MAX_RUNNING": "the engine's own default; the server's is the setting engine.maxRunning",
    "STOP_WITHIN": "patience with a copying process that was told to stop, before it is killed",
    "GONE_WITHIN": "patience with a killed process of an earlier attempt, before the attempt fails",
    "COUNTED_MAX": "how far jobs are counted when nodes share them",
    "DECIDE_MAX": "tries of a decision that other writes overtake; then SYS.1010",
    "CLUSTER_MAX_BYTES": "the largest cluster of the qcow2 format",
    "L1_MAX_BYTES": "the largest table of the qcow2 format",
    "STREAMS_MAX": "bound of the setting copy.streams",
    "LOG_MAX_PAGES": "when the store's log is checkpointed",
    "STATEMENTS_MAX": "statements that a connection keeps prepared",
    "LIST_BOUND_MAX": "how a statement is written",
    "MERGE_MAX": "how a query is planned",
    "PREFIX_SORT_MAX": "how a query is planned",
    "RESOLVE_AT_CALL_WITHIN": "how long a call waits for its hook's name; then the tries tell",
    "REST_WITHIN": "how long the body of a receiver's answer is read, to be dropped",
    "DELIVERY_WAIT_MAX_MS": "a try that is due later than this was planned before the clock was set back",
    "END_WITHIN": "how long a stopping server waits for connections and hooks",
    "SNIPPET_MAX": "how much of a ZQL text an error shows",
    "HOLDERS_MAX": "watchers of an image that an error can name",
    "LABEL_MAX": "width of a name beside a bar",
}


def value_of(expression):
    """A constant's value: ms for a Duration, else the number."""
    expression = " ".join(expression.split())
    made = re.fullmatch(r"(?:std::time::)?Duration::from_(secs|millis)\((.+)\)", expression)
    if made:
        return number(made[2]) * (1000 if made[1] == "secs" else 1)
    return number(expression)


def number(expression):
    tree = ast.parse(re.sub(r"(?<=\d)_(?=\d)", "", expression), mode="eval")
    allowed = (ast.Expression, ast.BinOp, ast.Constant, ast.Mult, ast.Add, ast.Sub, ast.LShift)
    if not all(isinstance(node, allowed) for node in ast.walk(tree)):
        raise ValueError(f"{expression} is no plain number")
    return eval(compile(tree, "constant", "eval"))


def scale(name):
    """What makes a bare constant or setting of that name ms, or leaves it."""
    return 1000 if re.search(r"(_S|[sS]econds)$", name) else 1


def constants():
    """Constants of the crates that serve, with their file: {(name, file): expression}."""
    found = {}
    for path in sorted(ROOT.glob("crates/*/src/**/*.rs")):
        file = path.relative_to(ROOT).as_posix()
        if not re.match(r"crates/(sim|bench)/", file) and not re.search(r"/tests?(/|\.rs)|/conformance/", file):
            text = path.read_text(encoding="utf-8").partition("#[cfg(test)]\nmod tests {")[0]
            found.update({(name, file): expression for name, expression in re.findall(CONSTANT, text)})
    return found


def settings():
    text = (ROOT / "crates/server/src/settings/table.rs").read_text(encoding="utf-8")
    return dict(re.findall(r'setting\(\s*"([\w.]+)",\s*"([^"]*)"', text))


def wrong():
    rows = ROW.findall((ROOT / "docs/limits.md").read_text(encoding="utf-8"))
    known, defaults, told = constants(), settings(), set()
    for what, value, count, unit, by, _ in rows:
        fixed = FIXED.search(by)
        names = [name for name in re.findall(r"`([\w.]+)`", FIXED.sub("", by)) if name in defaults]
        if unit not in UNITS:
            yield f"{what}: the unit {unit} is none of {', '.join(UNITS)}"
            continue
        said = None if value == "none" else int(count) * UNITS[unit]
        if fixed:
            key = (fixed[1], fixed[2])
            told.add(key)
            if key not in known:
                yield f"{what}: there is no constant {fixed[1]} in {fixed[2]}"
                continue
            actual = value_of(known[key]) * scale(fixed[1])
        elif len(names) == 1:
            told.add(names[0])
            default = defaults[names[0]]
            actual = int(default) * scale(names[0]) if default else 0
            said = 0 if said is None else said
        else:
            yield f"{what}: `set by` names neither one setting nor a constant with its file"
            continue
        if said != actual:
            yield f"{what}: the page says {value}, the code {actual} (ms, bytes, or a count)"
    for key, default in defaults.items():
        if default.isdigit() and key not in told:
            yield f"the setting {key} ({default}) has no row"
    for (name, file), _ in known.items():
        if re.search(r"(^|_)MAX(_|$)|_WITHIN$|_KEPT_", name) and (name, file) not in told and name not in INNER:
            yield f"{name} of {file} has no row; give it one, or say in this script why it is inner"
    if len(rows) < 50:
        yield "nearly nothing was compared: does the pattern of this check still fit?"


if __name__ == "__main__":
    found = list(wrong())
    for line in found:
        print(f"check-limits: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)
