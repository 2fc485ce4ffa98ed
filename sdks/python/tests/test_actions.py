"""What the action classes send, and what they make of every kind of answer."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Optional

import pytest

from longhaul import ErrorCode, actions, limits
from longhaul.actions import ActionResult, Config, JobValue, SubmitLongJobAction

from .fake import JOB, FakeServer, Reply, accepted, failed, job

UUID = "dee3e1e3706f3e52a2cb9a47850508e7"
SESSION = "b86c9016b4f24953a9edefb53ca0678c"


def config(server: FakeServer, **changes: Any) -> Config:
    values: Dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "poll_interval": 0.01, **changes}
    return Config(**values)


def submit() -> SubmitLongJobAction:
    action = SubmitLongJobAction()
    action.jobName, action.jobData, action.sessionId = "APISimulateJobMsg", "{}", SESSION
    return action


ACTIONS = "/zstack/v1/longjobs/" + UUID + "/actions"
SENT = [
    ("SubmitLongJobAction", {"jobName": "J", "jobData": "{}", "name": "n"}, "POST", "/zstack/v1/longjobs",
     [], {"params": {"jobName": "J", "jobData": "{}", "name": "n"}}),
    ("SubmitLongJobAction", {"jobName": "J", "jobData": "{}", "systemTags": ["s"], "userTags": ["u", "v"]}, "POST",
     "/zstack/v1/longjobs", [],
     {"params": {"jobName": "J", "jobData": "{}"}, "systemTags": ["s"], "userTags": ["u", "v"]}),
    ("DeleteLongJobAction", {"uuid": UUID}, "DELETE", "/zstack/v1/longjobs/" + UUID, [], None),
    ("DeleteLongJobAction", {"uuid": UUID, "userTags": ["u", "v"]}, "DELETE", "/zstack/v1/longjobs/" + UUID,
     [("userTags", "u"), ("userTags", "v")], None),
    ("UpdateLongJobAction", {"uuid": UUID, "name": "n", "description": ""}, "PUT", ACTIONS, [],
     {"updateLongJob": {"name": "n", "description": ""}}),
    ("CancelLongJobAction", {"uuid": UUID}, "PUT", ACTIONS, [], {"cancelLongJob": {}}),
    ("RerunLongJobAction", {"uuid": UUID}, "PUT", ACTIONS, [], {"rerunLongJob": {}}),
    ("ResumeLongJobAction", {"uuid": UUID}, "PUT", ACTIONS, [], {"resumeLongJob": {}}),
    ("CleanLongJobAction", {"uuid": UUID}, "PUT", ACTIONS, [], {"cleanLongJob": {}}),
    ("QueryLongJobAction", {}, "GET", "/zstack/v1/longjobs", [], None),
    ("QueryLongJobAction",
     {"conditions": ["name~=a b%", "state=Running"], "limit": 5, "start": 10, "count": False, "replyWithCount": True,
      "sortBy": "createDate", "sortDirection": "desc", "fields": ["uuid", "name"]},
     "GET", "/zstack/v1/longjobs",
     [("q", "name~=a b%"), ("q", "state=Running"), ("limit", "5"), ("start", "10"), ("count", "false"),
      ("replyWithCount", "true"), ("sort", "-createDate"), ("fields", "uuid,name")], None),
    ("QueryLongJobAction", {"sortBy": "name"}, "GET", "/zstack/v1/longjobs", [("sort", "+name")], None),
    ("GetTaskProgressAction", {"apiId": UUID, "all": True}, "GET", "/zstack/v1/task-progresses/" + UUID,
     [("all", "true")], None),
    ("LogInByAccountAction", {"accountName": "admin", "password": "h", "clientInfo": {"clientIp": "::1"}}, "PUT",
     "/zstack/v1/accounts/login", [],
     {"logInByAccount": {"accountName": "admin", "password": "h", "clientInfo": {"clientIp": "::1"}}}),
    ("LogOutAction", {"sessionUuid": SESSION, "clientInfo": {"clientIp": "::1"}}, "DELETE",
     "/zstack/v1/accounts/sessions/" + SESSION, [("clientInfo.clientIp", "::1")], None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "method", "path", "query", "body"), SENT)
def test_every_action_sends_what_the_contract_says(
    name: str, given: Dict[str, Any], method: str, path: str, query: List[Any], body: Any
) -> None:
    with FakeServer(Reply()) as server:
        action = getattr(actions, name)()
        action.sessionId = SESSION
        for attribute, value in given.items():
            setattr(action, attribute, value)
        assert action.call(config=config(server)).error is None
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query, asked.body) == (method, path, query, body)
    session = None if name in ("LogInByAccountAction", "LogOutAction") else f"OAuth {SESSION}"
    assert asked.headers.get("authorization") == session
    assert len(asked.headers["x-job-uuid"]) == 32
    assert ("content-type" in asked.headers) == (body is not None)


def test_all_eleven_actions_are_sent() -> None:
    classes = {name for name in actions.__all__ if name.endswith("Action") and name != "Action"}
    assert len(classes) == 11 and classes == {name for name, *_ in SENT}


def test_the_session_of_the_configuration_is_used_where_the_action_has_none() -> None:
    with FakeServer(Reply(), Reply()) as server:
        action = actions.QueryLongJobAction()
        action.call(config=config(server, session_id="abc"))
        action.call(config=config(server))
    assert server.asked[0].headers["authorization"] == "OAuth abc"
    assert "authorization" not in server.asked[1].headers


def test_every_call_has_a_fresh_id() -> None:
    with FakeServer(job(), job()) as server:
        action = submit()
        action.call(config=config(server))
        action.call(config=config(server))
    assert server.asked[0].headers["x-job-uuid"] != server.asked[1].headers["x-job-uuid"]


def test_an_accepted_call_is_polled_at_the_configured_address() -> None:
    with FakeServer(accepted("c1"), Reply(202), Reply(202), job(name="moved")) as server:
        result = submit().call(config=config(server))
        assert result.error is None and result.value is not None
        assert result.value.inventory.name == "moved"
    polls = server.asked[1:]
    assert [asked.path for asked in polls] == ["/zstack/v1/api-jobs/c1"] * 3
    assert all(asked.headers["authorization"] == f"OAuth {SESSION}" for asked in polls)


def test_a_result_at_once_is_taken() -> None:
    with FakeServer(job()) as server:
        value = submit().call(config=config(server)).unwrap()
        assert value.inventory.uuid == JOB["uuid"]
        assert value.inventory.jobResult is None, "a key that is absent reads as None"
        assert len(server.asked) == 1


def test_an_error_at_the_poll_keeps_its_code_and_cause() -> None:
    wire = {"code": "SYS.1006", "description": "An operation failed", "details": "x", "cause": {"code": "SYS.1016"}}
    with FakeServer(accepted(), Reply(503, {"error": wire})) as server:
        result = submit().call(config=config(server))
    assert result.value is None
    assert result.error == ErrorCode("SYS.1006", "An operation failed", "x", ErrorCode("SYS.1016"))
    with pytest.raises(actions.ActionError, match="SYS.1006: x"):
        result.unwrap()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 501, 503, 504])
def test_an_error_at_once_keeps_its_code_whatever_the_status(status: int) -> None:
    with FakeServer(failed(status, "SYS.1007", "wrong")) as server:
        error = submit().call(config=config(server)).error
    assert error is not None and (error.code, error.details) == ("SYS.1007", "wrong")


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (Reply(400, "missing header 'Authorization'"), "sdk.1000", "missing header"),
        (Reply(404, "no api mapping"), "sdk.1000", "no api mapping"),
        (Reply(500, ""), "sdk.1000", "empty body"),
        (Reply(200, "<html>"), "sdk.1002", "<html>"),
        (Reply(200, "[]"), "sdk.1002", "[]"),
        (Reply(202, {}), "sdk.1002", "where to poll"),
        (Reply(drop=True), "sdk.1000", "no answer"),
        (Reply(200, b"{}", missing=5), "sdk.1000", "too early"),
    ],
)
def test_what_is_no_answer_of_the_api_is_an_sdk_error_that_says_what_came(reply: Reply, code: str, says: str) -> None:
    with FakeServer(reply) as server:
        error = submit().call(config=config(server)).error
    assert error is not None and error.code == code and says in error.details, error


def test_an_expired_poll_is_an_error() -> None:
    with FakeServer(accepted(), Reply(404, "the job has been expired")) as server:
        error = submit().call(config=config(server)).error
    assert error is not None and error.code == "sdk.1000" and "expired" in error.details


def test_without_a_server_the_error_names_the_address() -> None:
    with FakeServer() as server:
        gone = config(server)
    error = submit().call(config=gone).error
    assert error is not None and error.code == "sdk.1000" and f"127.0.0.1:{gone.port}" in error.details


def test_a_silent_server_is_given_up_after_the_request_timeout() -> None:
    with FakeServer(Reply(hang=True)) as server:
        error = submit().call(config=config(server, request_timeout=0.1)).error
    assert error is not None and error.code == "sdk.1000" and "timed out" in error.details


def test_a_call_that_is_never_done_is_given_up_after_the_call_timeout() -> None:
    with FakeServer(accepted(), *[Reply(202)] * 100) as server:
        error = submit().call(config=config(server, call_timeout=0.2)).error
    assert error is not None and error.code == "sdk.1001" and "0.2 s (call_timeout)" in error.details


def test_an_answer_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_MAX_BYTES", 1000)
    with FakeServer(Reply(200, {"x": "y" * 2000}), Reply(200, {"x": "y" * 900})) as server:
        error = submit().call(config=config(server)).error
        assert error is not None and "ANSWER_MAX_BYTES" in error.details
        assert submit().call(config=config(server)).error is None


def test_a_completion_gets_the_result_in_a_thread_of_its_own() -> None:
    got: List[ActionResult[JobValue]] = []
    where: List[Optional[str]] = []

    def completion(result: ActionResult[JobValue]) -> None:
        got.append(result)
        where.append(threading.current_thread().name)

    with FakeServer(accepted(), job(), failed(503, "SYS.1000")) as server:
        thread = submit().call(completion, config=config(server))
        thread.join(10)
        submit().call(completion, config=config(server)).join(10)
    assert [result.error is None for result in got] == [True, False]
    assert where == ["SubmitLongJobAction"] * 2 and thread is not threading.current_thread()


def test_an_attribute_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    action = SubmitLongJobAction()
    with pytest.raises(AttributeError, match="did you mean jobName?"):
        setattr(action, "jobname", "x")
    with pytest.raises(AttributeError, match="has no attribute zzz: it has description, jobData"):
        setattr(action, "zzz", "x")
    for taken in ("call", "Result", "_path"):
        with pytest.raises(AttributeError):
            setattr(action, taken, "x")


@pytest.mark.parametrize("uuid", [None, "", "a/b", "../x", "a?b", 7])
def test_an_action_on_nothing_is_refused_before_anything_is_sent(uuid: Any) -> None:
    for kind in (actions.DeleteLongJobAction, actions.CancelLongJobAction):
        action: Any = kind()
        action.uuid = uuid
        with FakeServer() as server:
            with pytest.raises(ValueError, match="uuid"):
                action.call(config=config(server))
            assert server.asked == []


def test_a_session_cannot_smuggle_a_header() -> None:
    action = submit()
    action.sessionId = "x\r\nX-Other: y"
    with pytest.raises(ValueError, match="sessionId"):
        action.call()


def test_a_sort_direction_is_asc_or_desc() -> None:
    action = actions.QueryLongJobAction()
    action.sortBy, action.sortDirection = "name", "down"
    with pytest.raises(ValueError, match="asc or desc"):
        action.call()


def test_the_process_wide_configuration_is_what_calls_use_by_default() -> None:
    before = actions.current()
    assert before == Config("localhost", 8080, "/zstack"), "the default of the reference"
    with FakeServer(job()) as server:
        actions.configure(config(server, context_path=""))
        try:
            assert submit().call().error is None
        finally:
            actions.configure(before)
    assert server.asked[0].path == "/v1/longjobs"
    with pytest.raises(ValueError, match="call_timeout"):
        actions.configure(Config(call_timeout=0))


def test_a_value_has_every_key_that_was_answered_and_none_for_the_others() -> None:
    rows = [{**JOB, "futureKey": {"inner": [1, {"deep": True}]}}]
    with FakeServer(Reply(200, {"inventories": rows, "total": 1})) as server:
        value = actions.QueryLongJobAction().call(config=config(server)).unwrap()
    assert value.inventories is not None and value.total == 1
    (found,) = value.inventories
    assert isinstance(found, actions.LongJobInventory)
    assert found.futureKey.inner[1].deep is True and found.noSuchKey is None
    assert found.to_json() == rows[0] and found == actions.View(rows[0])


def test_no_secret_is_shown_by_what_programs_print() -> None:
    session = {"uuid": SESSION, "accountUuid": "a", "expiredDate": "d"}
    with FakeServer(Reply(200, {"inventory": session})) as server:
        result = actions.LogInByAccountAction().call(config=config(server))
    assert result.unwrap().inventory.uuid == SESSION
    shown: List[object] = [result, result.value, result.unwrap().inventory, Config(session_id=SESSION), submit()]
    shown.append(submit()._request(Config()))
    assert all(SESSION not in repr(thing) for thing in shown), shown


def test_sha512_is_what_the_api_takes_for_a_password() -> None:
    assert actions.sha512_hex("password") == (
        "b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb9"
        "80b1d7785e5976ec049b46df5f1326af5a2ea6d103fd07c95385ffab0cacbc86"
    )
