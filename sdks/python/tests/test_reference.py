"""The three Python snippets of the public API reference: made valid Python, run against the demo on port 8080.

The reference prints them on one line each and in half Java. What makes them Python is done here by rule, so that
nobody can make them fit the SDK by hand: a line per statement, the type that stands before a variable behind it,
the string that holds quotes in single quotes.

Source: longjob-api.txt, "SDK Examples".
"""

from __future__ import annotations

import json
import re

import pytest

from .apart import in_network_of_its_own

SUBMIT = (
    'SubmitLongJobAction action = SubmitLongJobAction() action.name = "migrate-volume" action.description = '
    '"migrate volume to another Ceph primary storage" action.jobName = "APIPrimaryStorageMigrateVolumeMsg" '
    'action.jobData = "{"volumeUuid":"45a53d3d93384433add8ead7616586cf", '
    '"dstPrimaryStorageUuid":"70a0618804864b3dabe8be9824c8028c"}" action.targetResourceUuid = '
    '"45a53d3d93384433add8ead7616586cf" action.sessionId = "b86c9016b4f24953a9edefb53ca0678c" '
    "SubmitLongJobAction.Result res = action.call()"
)
DELETE = (
    'DeleteLongJobAction action = DeleteLongJobAction() action.uuid = "a87ae356c6583cc7b312412337f96609" '
    'action.sessionId = "b86c9016b4f24953a9edefb53ca0678c" DeleteLongJobAction.Result res = action.call()'
)
UPDATE = (
    'UpdateLongJobAction action = UpdateLongJobAction() action.uuid = "dee3e1e3706f3e52a2cb9a47850508e7" '
    'action.name = "new-name" action.description = "new-description" '
    'action.sessionId = "b86c9016b4f24953a9edefb53ca0678c" UpdateLongJobAction.Result res = action.call()'
)
_STATEMENT = re.compile(r" (?=action\.\w+ = |\w+Action\.Result res = )")


def python(snippet: str) -> str:
    """The snippet as valid Python."""
    lines = []
    for statement in _STATEMENT.sub("\n", snippet).splitlines():
        typed = re.fullmatch(r"([\w.]+) (\w+) = (.*)", statement)
        line = f"{typed[2]}: {typed[1]} = {typed[3]}" if typed else statement
        lines.append(re.sub(r'= "(\{.*\})"$', r"= '\1'", line))
    return "\n".join(lines)


def test_the_rules_make_of_a_snippet_what_a_reader_would() -> None:
    assert python(SUBMIT).splitlines() == [
        "action: SubmitLongJobAction = SubmitLongJobAction()",
        'action.name = "migrate-volume"',
        'action.description = "migrate volume to another Ceph primary storage"',
        'action.jobName = "APIPrimaryStorageMigrateVolumeMsg"',
        "action.jobData = '{\"volumeUuid\":\"45a53d3d93384433add8ead7616586cf\", "
        '"dstPrimaryStorageUuid":"70a0618804864b3dabe8be9824c8028c"}\'',
        'action.targetResourceUuid = "45a53d3d93384433add8ead7616586cf"',
        'action.sessionId = "b86c9016b4f24953a9edefb53ca0678c"',
        "res: SubmitLongJobAction.Result = action.call()",
    ]


def test_the_references_snippets_run_and_answer_what_the_reference_shows() -> None:
    tell = "\nimport json; print(json.dumps([res.error, res.value.to_json()]))"
    scripts = ["from longhaul.actions import *\n" + python(text) + tell for text in (SUBMIT, DELETE, UPDATE)]
    watch = (
        "from longhaul import Longhaul\n"
        "with Longhaul(account='admin', password='password') as client:\n"
        "    job = next(client.jobs.query('name=migrate-volume')).wait(timeout=100)\n"
        "    volume = client.volumes.get('45a53d3d93384433add8ead7616586cf')\n"
        "    print(job.state.value, volume.primary_storage_uuid, client.jobs.count('uuid=a87ae356c6583cc7b312412337f96609'))"
    )
    printed = in_network_of_its_own(*scripts, watch)
    (submit_error, submitted), (delete_error, deleted), (update_error, updated) = map(json.loads, printed[:3])
    assert (submit_error, delete_error, update_error) == (None, None, None)
    assert re.fullmatch("[0-9a-f]{32}", submitted["inventory"]["uuid"])
    assert submitted["inventory"]["name"] == "migrate-volume"
    assert submitted["inventory"]["targetResourceUuid"] == "45a53d3d93384433add8ead7616586cf"
    assert deleted == {}
    assert updated["inventory"]["uuid"] == "dee3e1e3706f3e52a2cb9a47850508e7"
    assert (updated["inventory"]["name"], updated["inventory"]["description"]) == ("new-name", "new-description")
    assert printed[3] == "Succeeded 70a0618804864b3dabe8be9824c8028c 0\n", "the volume really moved, the job is gone"


@pytest.mark.parametrize("snippet", [SUBMIT, DELETE, UPDATE])
def test_a_snippet_as_it_is_printed_is_no_python(snippet: str) -> None:
    """The control: were it valid as it stands, the rules above would prove nothing."""
    with pytest.raises(SyntaxError):
        compile(snippet, "reference", "exec")
