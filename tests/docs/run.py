"""Runs the examples of the documents and compares what they print; run.sh calls it in a network of its own.

    run.py --binary FILE --out DIR --python FILE --classpath PATH --java-tools DIR [DOCUMENT...]
"""

from __future__ import annotations

import argparse
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

import blocks
import expected
from blocks import Block, Server, Wrong
from languages import Sdks, prepare_java, run
from world import World

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DEMO = "--demo --simulator"


@dataclass
class Part:
    """What is run beside one server: a document, or one section of it."""

    document: str
    section: Optional[str] = None
    #: Flags of the server; None if the part starts one itself.
    flags: Optional[str] = DEMO
    #: Script that makes what the reader has already.
    before: Optional[str] = None


#: Sections of documents whose other blocks build the tree or run its tests.
SECTIONS = [
    Part("README.md", "The reference's curl commands", None),
    Part("README.md", "Move a disk of your own", None, "before_move_a_disk.sh"),
]


def parts(chosen: List[str]) -> List[Part]:
    """All parts, or those of the documents that are named."""
    documents = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))
    found = SECTIONS + [Part(document) for document in documents]
    return [part for part in found if not chosen or part.document in chosen]


class Tally:
    """What passed and what did not."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def ok(self, what: str) -> None:
        self.passed += 1
        print(f"ok       {what}", flush=True)

    def bad(self, what: str, why: str) -> None:
        self.failed += 1
        print(f"FAILED   {what}\n{why}", flush=True)


def play(part: Part, binary: Path, out: Path, sdks: Optional[Sdks], tally: Tally) -> None:
    """Runs a part's blocks in their order."""
    items = blocks.read(REPOSITORY / part.document, part.document)
    items = [item for item in items if part.section is None or item.section == part.section]
    if not items:
        if part.section is not None:
            tally.bad(f"{part.document}, {part.section}", "no such section, or no block in it")
        return
    illustrations = 0
    for item in items:
        if isinstance(item, Wrong):
            tally.bad(item.place, item.why)
        elif isinstance(item, Block) and item.reason == blocks.ILLUSTRATION:
            illustrations += 1
        elif isinstance(item, Block) and item.reason is not None:
            print(f"not run  {item.place} {item.kind}: {item.reason}")
    if illustrations:
        print(f"not run  {part.document}: {illustrations} text, {blocks.ILLUSTRATION}")
    if not any(isinstance(item, Block) and item.reason is None for item in items):
        return
    world = World(REPOSITORY, binary, out / "scratch")
    try:
        _run_items(part, items, world, out, sdks, tally)
    finally:
        broken = world.close()
    if broken:
        tally.bad(part.document, broken)


def _run_items(part: Part, items: list, world: World, out: Path, sdks: Optional[Sdks], tally: Tally) -> None:
    java = out / "java"
    found = [item for item in items if isinstance(item, Block)]
    classes, said = prepare_java(found, sdks, java) if sdks else ({}, None)
    if part.before is not None:
        status, printed = world.shell((Path(__file__).parent / part.before).read_text())
        if status:
            tally.bad(f"{part.document}, {part.section}: {part.before}", printed)
            return
    first = items[0]
    world.serve(first.flags if isinstance(first, Server) else part.flags)
    for item in items[1 if isinstance(first, Server) else 0:]:
        if isinstance(item, Server):
            world.serve(item.flags)
        elif isinstance(item, Block) and item.reason is None:
            if item.kind == "java" and said is not None:
                tally.bad(f"{item.place} java", f"it does not compile:\n{said}")
                continue
            status, printed = run(item, world, sdks, classes, java)
            _judge(item, status, printed, tally)


def _judge(block: Block, status: int, printed: str, tally: Tally) -> None:
    what = f"{block.place} {block.kind}"
    why = None
    if status:
        why = f"it ended with status {status} and printed:\n{printed}"
    elif block.expected is not None:
        why = expected.difference(block.expected.kind, block.expected.text, printed)
    if why is None:
        tally.ok(what)
    else:
        tally.bad(what, f"{block.text.rstrip()}\n--- {why}\n")


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--binary", "--out", "--python", "--java-tools"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--classpath", required=True)
    parser.add_argument("documents", nargs="*")
    given = parser.parse_args()
    sdks = Sdks(given.python, given.classpath, given.java_tools)
    tally = Tally()
    for part in parts(given.documents):
        try:
            play(part, given.binary, given.out, sdks, tally)
        except Exception:
            tally.bad(part.document, traceback.format_exc())
    if not tally.passed:
        tally.bad("all", "no block was run")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
