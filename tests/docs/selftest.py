"""The runner's own tests: what is compared is compared, and a wrong expectation fails. Needs no server."""

from __future__ import annotations

import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import blocks
import run
from blocks import Wrong
from expected import difference


class Comparing(unittest.TestCase):
    def like(self, kind: str, expected: str, printed: str) -> None:
        self.assertIsNone(difference(kind, expected, printed))

    def unlike(self, kind: str, expected: str, printed: str) -> None:
        self.assertIsNotNone(difference(kind, expected, printed))

    def test_text_is_compared_line_by_line(self) -> None:
        self.like("text", "a\nb\n", "a  \nb")
        self.unlike("text", "a\nb\n", "a\n")
        self.unlike("text", "a\n", "a\nb\n")
        self.unlike("text", "a.c\n", "abc\n")

    def test_dots_in_text_are_any_characters_of_a_line_or_any_lines(self) -> None:
        self.like("text", "job … is …\n", "job 17 is Running\n")
        self.unlike("text", "job … is\n", "job 17\nis\n")
        self.like("text", "a\n…\nz\n", "a\nb\nc\nz\n")
        self.like("text", "a\n…\nz\n", "a\nz\n")
        self.unlike("text", "a\n…\nz\n", "a\nb\n")

    def test_json_is_compared_as_values(self) -> None:
        self.like("json", '{"a": 1,\n "b": [true]}', '{"b":[true],"a":1}')
        self.unlike("json", '{"a": 1}', '{"a": 2}')
        self.unlike("json", '{"a": 1}', '{"a": true}')
        self.unlike("json", '{"a": 1}', '{"a": 1, "b": 2}')
        self.unlike("json", '{"a": 1, "b": 2}', '{"a": 1}')
        self.unlike("json", "[1]", "[1, 2]")
        self.unlike("json", '{"a": null}', "no json")
        self.unlike("json", "no json", '{"a": null}')

    def test_dots_in_json_are_any_part_value_members_or_elements(self) -> None:
        self.like("json", '{"a": "x…z", "b": …}', '{"a": "xyz", "b": {"c": 1}}')
        self.unlike("json", '{"a": "x…z"}', '{"a": "xy"}')
        self.unlike("json", '{"a": "…"}', '{"a": 1}')
        self.like("json", '{"a": 1, …}', '{"a": 1, "b": 2}')
        self.unlike("json", '{"a": 1, …}', '{"a": 2, "b": 2}')
        self.like("json", '[{"a": 1}, …]', '[{"a": 1}, 2, 3]')
        self.unlike("json", '[{"a": 1}, …]', "[]")
        self.like("json", '{"a": "in \\"…\\" quotes", …}', '{"a": "in \\"x\\" quotes"}')

    def test_several_values_are_compared_one_by_one(self) -> None:
        self.like("json", '{"a": 1}\n{}', '{"a":1}\n{}\n')
        self.unlike("json", '{"a": 1}\n{}', '{"a":1}\n')
        self.unlike("json", "{}\n{}", '{}\n{"a":1}\n')


PAGE = """# Page
```sh
echo one
```
It says:
```text
one
```
```text
alone
```
<!-- not run: another SDK -->
```go
x
```
## Next
```sh
longhaul serve --replies zstack  # as ZStack
```
```json
{}
```
```ruby
```
"""


class Reading(unittest.TestCase):
    def page(self, text: str) -> list:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "page.md"
            path.write_text(text, encoding="utf-8")
            return blocks.read(path, "page.md")

    def test_blocks_are_run_compared_excused_or_wrong(self) -> None:
        first, alone, go, server, json, ruby = self.page(PAGE)
        self.assertEqual((first.kind, first.text, first.line), ("sh", "echo one\n", 2))
        self.assertEqual(first.expected.text, "one\n")
        self.assertEqual((alone.kind, alone.reason), ("text", blocks.ILLUSTRATION))
        self.assertEqual((go.kind, go.reason), ("go", "another SDK"))
        self.assertEqual((server.flags, server.section), ("--replies zstack", "Next"))
        self.assertIsInstance(json, Wrong)
        self.assertIsInstance(ruby, Wrong)
        self.assertEqual(ruby.place, "page.md:23")

    def test_what_a_block_prints_does_not_stand_in_another_section(self) -> None:
        block, text = self.page("```sh\ntrue\n```\n# Next\n```text\nx\n```\n")
        self.assertIsNone(block.expected)
        self.assertEqual(text.reason, blocks.ILLUSTRATION)

    def test_a_server_that_is_started_with_other_commands_is_the_blocks_own(self) -> None:
        items = self.page("```sh\nlonghaul serve --demo\nlonghaul login\n```\n```sh\nlonghaul serve\n```\n")
        self.assertEqual([type(item) for item in items], [blocks.Block, blocks.Server])
        self.assertEqual(items[1].flags, "")

    def test_an_open_fence_is_wrong(self) -> None:
        self.assertIsInstance(self.page("```sh\ntrue\n")[0], Wrong)


class Running(unittest.TestCase):
    """Whole documents whose shell blocks need no server."""

    def play(self, text: str) -> run.Tally:
        tally = run.Tally()
        with tempfile.TemporaryDirectory() as directory, redirect_stdout(StringIO()):
            page = Path(directory) / "page.md"
            page.write_text("<!-- server: none -->\n" + text, encoding="utf-8")
            run.play(run.Part(str(page)), Path("/bin/false"), Path(directory), None, tally)
        return tally

    def counts(self, text: str) -> tuple:
        tally = self.play(text)
        return tally.passed, tally.failed

    def test_a_right_expectation_passes_and_a_wrong_one_fails(self) -> None:
        self.assertEqual(self.counts("```sh\necho 1\n```\n```text\n1\n```\n"), (1, 0))
        self.assertEqual(self.counts("```sh\necho 1\n```\n```text\n2\n```\n"), (0, 1))
        self.assertEqual(self.counts("```sh\necho '{}'\n```\n```json\n{\"a\": 1}\n```\n"), (0, 1))

    def test_a_block_that_fails_fails_whatever_it_prints(self) -> None:
        self.assertEqual(self.counts("```sh\necho 1\nfalse\n```\n```text\n1\n```\n"), (0, 1))
        self.assertEqual(self.counts("```sh\nfalse | true\n```\n"), (0, 1))
        self.assertEqual(self.counts("```sh\necho $NO_SUCH_VARIABLE\n```\n"), (0, 1))

    def test_variables_functions_and_directory_last_to_the_documents_end(self) -> None:
        text = "```sh\nA='x y'\nsay() { echo \"$1!\"; }\nmkdir d; cd d\n```\n```sh\nsay \"$A\"; basename $PWD\n```\n"
        self.assertEqual(self.counts(text + "```text\nx y!\nd\n```\n"), (2, 0))

    def test_paths_of_the_readers_machine_are_in_the_scratch_directory(self) -> None:
        text = "```sh\nmkdir /srv/x && ls -d /srv/x\n```\n```text\n/srv/x\n```\n"
        self.assertEqual(self.counts(text), (1, 0))
        self.assertFalse(Path("/srv/x").exists())

    def test_a_block_that_nobody_runs_fails(self) -> None:
        self.assertEqual(self.counts("```json\n{}\n```\n"), (0, 1))


if __name__ == "__main__":
    unittest.main()
