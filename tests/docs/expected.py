"""Whether what was printed is what the document says. `…` in the document stands for anything.

In text: any characters of a line; alone in its line, any lines. In JSON: in a text, any characters of it; for a
value, any value; as the last member of an object, any further members; as the last element of a list, any further
elements. JSON is compared as values, so that a document may lay it out; there may be several, one after the other.
"""

from __future__ import annotations

import json
import re
from typing import Any, List, Optional

ANY = "…"
# What stands for a bare `…` once the text is JSON. No document has these characters.
_ANY_VALUE = "\ue000"
_ANY_MORE = "\ue001"


def difference(kind: str, expected: str, printed: str) -> Optional[str]:
    """What differs, for a reader; None if nothing does."""
    if kind == "json":
        return _json_difference(expected, printed)
    return None if _text_pattern(expected).fullmatch(_lines(printed)) else _told(expected, printed)


def _told(expected: str, printed: str) -> str:
    return f"the document says:\n{expected.rstrip()}\nit printed:\n{printed.rstrip()}"


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"


def _text_pattern(expected: str) -> "re.Pattern[str]":
    parts = []
    for line in _lines(expected).splitlines():
        if line.strip() == ANY:
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r"[^\n]*?".join(re.escape(part) for part in line.split(ANY)) + r"\n")
    return re.compile("".join(parts))


def _json_difference(expected: str, printed: str) -> Optional[str]:
    try:
        wanted = _documents(_bare_to_marks(expected))
    except ValueError as error:
        return f"the document's block is no JSON: {error}\n{expected}"
    try:
        said = _documents(printed)
    except ValueError:
        return f"it printed no JSON:\n{printed.rstrip()}"
    if len(wanted) != len(said):
        return f"{len(wanted)} JSON values in the document, {len(said)} printed\n{_told(expected, printed)}"
    for one, other in zip(wanted, said):
        where = _unlike(one, other, "$")
        if where is not None:
            return f"{where}\n{_told(expected, printed)}"
    return None


def _documents(text: str) -> List[Any]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while True:
        rest = text[at:].lstrip()
        if not rest:
            return found
        value, length = decoder.raw_decode(rest)
        found.append(value)
        at = len(text) - len(rest) + length


def _bare_to_marks(text: str) -> str:
    """Puts marks that are JSON where a bare `…` stands outside of a text."""
    out, inside, escaped = [], False, False
    significant = ""
    containers: List[str] = []
    for character in text:
        if inside:
            inside = character != '"' or escaped
            escaped = character == "\\" and not escaped
        elif character == ANY:
            in_object = bool(containers) and containers[-1] == "{"
            if significant == ":" or not containers:
                character = f'"{_ANY_VALUE}"'
            elif in_object:
                character = f'"{_ANY_MORE}":0'
            else:
                character = f'"{_ANY_MORE}"'
        elif character == '"':
            inside = True
        elif character in "{[":
            containers.append(character)
        elif character in "}]" and containers:
            containers.pop()
        if character.strip():
            significant = character
        out.append(character)
    return "".join(out)


def _unlike(expected: Any, said: Any, where: str) -> Optional[str]:
    """Where the values differ; None if they don't."""
    if expected == _ANY_VALUE:
        return None
    if isinstance(expected, dict) and isinstance(said, dict):
        return _unlike_objects(expected, said, where)
    if isinstance(expected, list) and isinstance(said, list):
        more = _ANY_MORE in expected
        wanted = [one for one in expected if one != _ANY_MORE]
        if len(said) < len(wanted) or (len(said) > len(wanted) and not more):
            return f"{where}: {len(wanted)} elements in the document, {len(said)} printed"
        pairs = enumerate(zip(wanted, said))
        return next((found for n, (a, b) in pairs if (found := _unlike(a, b, f"{where}[{n}]"))), None)
    if isinstance(expected, str) and isinstance(said, str):
        pattern = ".*?".join(re.escape(part) for part in expected.split(ANY))
        return None if re.fullmatch(pattern, said, re.DOTALL) else f"{where}: {said!r} is not {expected!r}"
    if type(expected) is type(said) and expected == said:
        return None
    return f"{where}: {said!r} is not {expected!r}"


def _unlike_objects(expected: dict, said: dict, where: str) -> Optional[str]:
    wanted = {key: value for key, value in expected.items() if key != _ANY_MORE}
    missing = sorted(wanted.keys() - said.keys())
    if missing:
        return f"{where}: {', '.join(missing)} not printed"
    if _ANY_MORE not in expected and said.keys() - wanted.keys():
        return f"{where}: {', '.join(sorted(said.keys() - wanted.keys()))} not in the document"
    return next((found for key, one in wanted.items() if (found := _unlike(one, said[key], f"{where}.{key}"))), None)
