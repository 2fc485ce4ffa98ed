"""Java and Python blocks of a document, with our SDKs. Shell blocks are world.py's.

Java needs what sdks/java/build.sh made and makes classes of blocks with the SDK's own `Snippets`; Python needs a
virtual environment with the SDK's wheel. run.sh makes both.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from blocks import Block
from world import World


@dataclass
class Sdks:
    """Where the SDKs are."""

    #: Interpreter of the virtual environment.
    python: Path
    #: The SDK's jar and Gson's.
    java_classpath: str
    #: Classes of the SDK's `Snippets` and of `Run`.
    java_tools: Path


def prepare_java(blocks: List[Block], sdks: Sdks, directory: Path) -> Tuple[Dict[int, str], Optional[str]]:
    """Compiles a document's Java blocks; the class of each by its line, or what the compiler said."""
    java = [block for block in blocks if block.kind == "java" and block.reason is None]
    if not java:
        return {}, None
    (directory / "none").mkdir(parents=True, exist_ok=True)
    page = directory / "page.md"
    page.write_text("".join(f"```java\n{block.text}```\n\n" for block in java), encoding="utf-8")
    made, classes = directory / "made", directory / "classes"
    classes.mkdir(exist_ok=True)
    tools = str(sdks.java_tools)
    said = _said(["java", "-cp", tools, "longhaul.sdk.test.Snippets", str(directory / "none"), str(page), str(made)])
    if said is None:
        files = sorted(str(path) for path in made.rglob("*.java"))
        options = ["--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Werror"]
        said = _said(["javac", *options, "-cp", sdks.java_classpath, "-d", str(classes), *files])
    names = {block.line: f"longhaul.sdk.test.made.Readme{n}" for n, block in enumerate(java, 1)}
    return names, said


def _said(command: List[str]) -> Optional[str]:
    """What a command said that failed; None if it did not."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if done.returncode == 0 else done.stdout


def run(block: Block, world: World, sdks: Sdks, classes: Dict[int, str], directory: Path) -> Tuple[int, str]:
    """Runs a block of any language; its status and what it printed."""
    if block.kind == "sh":
        return world.shell(block.text)
    if block.kind == "python":
        return world.run([str(sdks.python), "-W", "error", "-c", block.text])
    path = f"{sdks.java_classpath}:{sdks.java_tools}:{directory / 'classes'}"
    return world.run(["java", "-Xmx256m", "-Dfile.encoding=UTF-8", "-cp", path, "Run", classes[block.line]])
