#!/usr/bin/env python3
"""A merged migration never changes.

Beside the migrations of each backend lies `migrations.lock`: one line `sha256  file` for each, in order. Checked:
every file has its line and its checksum, every line has its file, and the numbers have no gap. Against history: the
lock may only have grown since each of these, as far as they are known here:

  - the commit in LONGHAUL_BASE;
  - where this branch left origin/main;
  - the newest release tag (v*);
  - every commit since the one named in scripts/migrations-final.txt, from which on migrations are final.
"""

import hashlib
import os
import subprocess
import sys

ROOT = "crates/store/migrations"
FINAL = "scripts/migrations-final.txt"


def git(*arguments):
    """What git says, or None where it fails (no history here, no such commit, no such file)."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def lock_lines(text):
    return [line for line in (text or "").splitlines() if line.strip()]


def checksums(folder):
    with open(f"{folder}/migrations.lock", encoding="utf-8") as file:
        lines = lock_lines(file.read())
    names = []
    for line in lines:
        checksum, _, name = line.partition("  ")
        names.append(name)
        if not os.path.isfile(f"{folder}/{name}"):
            yield f"{folder}/{name} is in migrations.lock but not there: restore it"
            continue
        with open(f"{folder}/{name}", "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != checksum:
                yield (f"{folder}/{name} was changed: a migration that is merged is never edited; restore it and add"
                       " the next one (CONTRIBUTING.md). Not merged yet: run sha256sum and put it into migrations.lock")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".sql") and name not in names:
            yield f"{folder}/{name} is not in migrations.lock: append the line that sha256sum prints"
    for number, name in enumerate(names, 1):
        if not name.startswith(f"{number:04}_"):
            yield f"{folder}/{name}: number {number} in migrations.lock must start with {number:04}_"


def bases():
    """Commits whose locks must still be the beginning of ours, each with its reason."""
    if os.environ.get("LONGHAUL_BASE"):
        yield os.environ["LONGHAUL_BASE"], "LONGHAUL_BASE"
    fork = git("merge-base", "HEAD", "origin/main")
    if fork:
        yield fork.strip(), "where this branch left origin/main"
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v*")
    if tag:
        yield tag.strip(), "the newest release"
    with open(FINAL, encoding="utf-8") as file:
        final = [line.split("#")[0].strip() for line in file]
    for commit in filter(None, final):
        since = git("rev-list", f"{commit}..HEAD", "--", ROOT)
        if since is None:
            print(f"## {FINAL}: commit {commit} is not in this clone; only checksums are compared")
            continue
        yield commit, "final migrations"
        for later in since.split():
            yield later, "after the final migrations"


def history(folder):
    with open(f"{folder}/migrations.lock", encoding="utf-8") as file:
        now = lock_lines(file.read())
    for commit, reason in bases():
        before = lock_lines(git("show", f"{commit}:{folder}/migrations.lock"))
        if now[: len(before)] != before:
            yield (f"{folder}/migrations.lock differs from {commit[:12]} ({reason}) in what was there already:"
                   " restore those migrations and their lines, add a new one")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    wrong = []
    for backend in sorted(os.listdir(ROOT)):
        folder = f"{ROOT}/{backend}"
        wrong += checksums(folder)
        wrong += history(folder)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit("!! migrations changed; again: scripts/migrations.py")


if __name__ == "__main__":
    main()
