"""The fenced blocks of a document: which are run, what each is to print, why the others are not run.

Knows no server and runs nothing. What is compared how is in expected.py, what runs a block in world.py.

In a document:

    ```sh  ```python  ```java      run, in order, beside one server per document
    ```json  ```text               right after one of those, in the same section: what it prints
    ```text                        elsewhere: an illustration
    <!-- not run: REASON -->       before a fence that is not run or not compared
    ```sh of one `longhaul serve`  from here on a fresh server with these flags
    <!-- server: none -->          from here on no server
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Union

RUN = ("sh", "python", "java")
PRINTED = ("json", "text")
ILLUSTRATION = "an illustration"

_FENCE = re.compile(r"^```(\S*)\s*$")
_HEADING = re.compile(r"^#{1,6} +(.*?) *$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+?) -->$")
_NO_SERVER = "<!-- server: none -->"
_SERVE = re.compile(r"^longhaul serve((?: [^#\n]*)?)(?:#.*)?\n$")


@dataclass
class Block:
    """A fenced block."""

    document: str
    line: int
    section: str
    kind: str
    text: str
    #: Why it is not run; None if it is.
    reason: Optional[str] = None
    #: What it is to print; None if the document does not say.
    expected: Optional["Block"] = None

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass
class Server:
    """From here on a fresh server with these flags; no server if None."""

    section: str
    flags: Optional[str]


@dataclass
class Wrong:
    """A block of which nobody knows what is to be done with it."""

    section: str
    place: str
    why: str


Item = Union[Block, Server, Wrong]


def read(path: Path, name: str) -> List[Item]:
    """The items of a document in their order; blocks that say what another prints are in that one."""
    items: List[Item] = []
    section, reason = "", None
    pending: Optional[Block] = None
    fence: Optional[Block] = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if fence is not None:
            if line.rstrip() == "```":
                pending = _take(items, fence, pending)
                fence = None
            else:
                fence.text += line + "\n"
            continue
        opening, heading = _FENCE.match(line), _HEADING.match(line)
        if opening:
            fence = Block(name, number, section, opening[1], "", reason)
            reason = None
        elif heading:
            section, pending = heading[1], None
        elif _NOT_RUN.match(line):
            reason = _NOT_RUN.match(line)[1]
        elif line == _NO_SERVER:
            items.append(Server(section, None))
            pending = None
        elif line.strip():
            reason = None
    if fence is not None:
        items.append(Wrong(section, fence.place, "the fence is not closed"))
    return items


def _take(items: List[Item], block: Block, pending: Optional[Block]) -> Optional[Block]:
    """Puts a block where it belongs; answers the one whose output may come next."""
    serve = _SERVE.match(block.text) if block.kind == "sh" else None
    if block.reason is not None:
        items.append(block)
    elif serve is not None:
        items.append(Server(block.section, serve[1].strip()))
    elif block.kind in RUN:
        items.append(block)
        return block
    elif block.kind in PRINTED and pending is not None:
        pending.expected = block
    elif block.kind == "text":
        block.reason = ILLUSTRATION
        items.append(block)
    elif block.kind == "json":
        why = "a json block that follows no example of its section: put the example before it, or say why not"
        items.append(Wrong(block.section, block.place, f"{why}: <!-- not run: REASON -->"))
    else:
        why = f"a block of `{block.kind}`, which is not run: say why before it: <!-- not run: REASON -->"
        items.append(Wrong(block.section, block.place, why if block.kind else "a fence that names no language"))
    return None
