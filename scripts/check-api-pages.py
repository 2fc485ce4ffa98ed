#!/usr/bin/env python3
"""Holds docs/api.md and docs/api/ to the API: every operation of openapi.fast.json has one row there, with its calls and
its body's member; there is no row of something else; the table of errors is that of crates/wire/src/error.rs."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `([A-Z]\w+)` \| (`(?:GET|POST|PUT|DELETE) /[^|]*) \|([^|]*)\| ([^|]+) \|$", re.MULTILINE)
ERROR = re.compile(r"^\| `([A-Z_]+\.\d{4})` \| (\d{3}) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
CODE = re.compile(r'\(\s*"([A-Z_]+\.\d{4})",\s*(\d{3}),\s*"([^"]+)",?\s*\)')


def operations():
    """Each operation's calls and body member: {name: ({call}, member)}."""
    found = {}

    def add(name, call, member):
        calls, _ = found.setdefault(name, (set(), member))
        calls.add(call)

    document = json.loads((ROOT / "openapi.fast.json").read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            call = f"{method.upper()} {path}"
            for action in operation.get("x-actions", []):
                add(action["name"], call, action["key"])
            if "x-actions" not in operation:
                name = operation["operationId"]
                if name.endswith("ByUuid") and name.removesuffix("ByUuid") in found:
                    name = name.removesuffix("ByUuid")
                add(name, call, member_of(operation, schemas))
    return found


def member_of(operation, schemas):
    """The member of the body that has the parameters; empty if there is no body."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = schemas.get(body.get("$ref", "").rpartition("/")[2], body)
    members = [name for name in schema.get("properties", {}) if name not in ("systemTags", "userTags")]
    return members[0] if len(members) == 1 else ""


def wrong():
    pages = [ROOT / "docs/api.md", *sorted((ROOT / "docs/api").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    rows = ROW.findall(text)
    there = operations()
    names = [name for name, _, _, _ in rows]
    for name in sorted(there.keys() - set(names)):
        yield f"{name} ({', '.join(sorted(there[name][0]))}) has no row in docs/api.md or docs/api/"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} has more than one row"
    for name, calls, member, _ in rows:
        if name not in there:
            yield f"{name} has a row and is no operation of openapi.fast.json"
            continue
        said = set(re.findall(r"`([^`]+)`", calls))
        if said != there[name][0]:
            yield f"{name}: the page says {sorted(said)}, the API {sorted(there[name][0])}"
        if member.strip(" `") != there[name][1]:
            yield f"{name}: the page says the body's member is {member.strip()!r}, the API {there[name][1]!r}"
    source = (ROOT / "crates/wire/src/error.rs").read_text(encoding="utf-8").partition("mod tests")[0]
    codes, told = set(CODE.findall(source)), set(ERROR.findall(text))
    for code in sorted(codes - told):
        yield f"the table of errors has no row | `{code[0]}` | {code[1]} | {code[2]} |"
    for code in sorted(told - codes):
        yield f"the table of errors has a row {code} that crates/wire/src/error.rs has not"
    if len(there) < 35 or len(codes) < 20:
        yield "nearly nothing was compared: do the patterns of this check still fit?"


if __name__ == "__main__":
    found = list(wrong())
    for line in found:
        print(f"check-api-pages: {line}", file=sys.stderr)
    print(f"{len(operations())} operations")
    sys.exit(1 if found else 0)
