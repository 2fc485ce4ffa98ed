"""Every example of the README runs against the demo and prints what stands under it."""

from __future__ import annotations

import re
from pathlib import Path

from longhaul import actions, limits

from .apart import in_network_of_its_own

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_example_prints_what_stands_under_it() -> None:
    blocks = _BLOCK.findall(README)
    kinds = [kind for kind, _ in blocks]
    assert kinds.count("python") == kinds.count("text") >= 6
    pairs = []
    for (kind, code), (after, said) in zip(blocks, blocks[1:]):
        if kind == "python":
            assert after == "text", f"no output stands under:\n{code}"
            pairs.append((code, said))
    printed = in_network_of_its_own(*(code for code, _ in pairs))
    for (code, said), out in zip(pairs, printed):
        assert out == said, f"\n{code}"


def test_an_example_that_fails_would_be_seen() -> None:
    assert in_network_of_its_own("print(1)", "raise SystemExit('no')") == ["1\n", "status 1\nno\n"]


def test_the_table_of_limits_has_their_defaults() -> None:
    rows = dict(re.findall(r"^\| ([a-z][^|]*?) \| ([^|]*?) \|", README.split("## Limits")[1], re.MULTILINE))
    assert rows["one request"] == f"{limits.REQUEST_TIMEOUT_S:g} s"
    assert rows["one call with its retries and polls"] == f"{limits.CALL_TIMEOUT_S / 60:g} minutes"
    assert rows["following a job"] == f"{limits.JOB_TIMEOUT_S / 3600:g} hours"
    pause = f"{limits.POLL_INTERVAL_S:g} s, at first {limits.POLL_FIRST_S * 1000:g} ms"
    assert rows["pause between two polls"] == pause and limits.JOB_INTERVAL_S == limits.POLL_INTERVAL_S
    assert rows["sent again"] == f"{limits.RETRIES} times"
    assert rows["rows of one page"] == str(limits.PAGE_SIZE)
    assert rows["an answer"] == f"{limits.ANSWER_MAX_BYTES // 1024 // 1024} MiB"


def test_every_limit_is_told_beside_its_default() -> None:
    source = Path(limits.__file__).read_text(encoding="utf-8")
    names = [name for name in vars(limits) if name.isupper()]
    assert len(names) >= 10
    for name in names:
        assert re.search(rf"^#: .+\n{name} = ", source, re.MULTILINE), f"{name} has no comment"
    assert actions.Config().request_timeout == limits.REQUEST_TIMEOUT_S
