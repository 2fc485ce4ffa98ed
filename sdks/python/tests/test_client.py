"""The modern client in both flavours, against a server that answers what a test wants."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from longhaul import AsyncLonghaul, JobState, Longhaul, aio, client as plain, errors, limits, models

from .fake import JOB, FakeServer, Reply, accepted, failed, job, jobs
from .flavours import FLAVOURS, client, public_methods

UUID = str(JOB["uuid"])
SESSION = {
    "uuid": "904fb9a4bdcd435a9f3c4b45301e403c",
    "accountUuid": "36c27e8ff05c4780bf6d2fa65700f22e",
    "userUuid": "36c27e8ff05c4780bf6d2fa65700f22e",
    "expiredDate": "2026-11-27T05:49:46+00:00",
    "createDate": "2026-11-27T03:49:46+00:00",
}
LOGIN = Reply(200, {"inventory": SESSION})

pytestmark = pytest.mark.parametrize("flavour", FLAVOURS)


def progress(percent: int, **opaque: Any) -> Reply:
    row = {"taskUuid": "t", "taskName": "n", "type": "Progress", "content": str(percent), "time": 1_510_669_257_123}
    return Reply(200, {"inventories": [{**row, "opaque": {"stage": "copying", **opaque}}]})


def test_a_submit_sends_a_uuid_of_its_own_and_reads_the_job(flavour: str) -> None:
    with FakeServer(job()) as server, client(flavour, server.url, token="s") as c:
        done = c.jobs.submit("APISimulateJobMsg", {"durationMs": 1}, name="n", target="t", user_tags=["u"])
        assert done.state is JobState.RUNNING
        assert done.create_date == datetime(2017, 11, 14, 14, 20, 57, tzinfo=timezone.utc)
        assert done.last_op_date == datetime(2017, 11, 14, 22, 20, 57), "no zone was named, so none is made up"
    (asked,) = server.asked
    uuid = asked.body["params"].pop("resourceUuid")
    assert len(uuid) == 32 and uuid[12] == "4"
    assert asked.body == {
        "params": {"jobName": "APISimulateJobMsg", "jobData": '{"durationMs": 1}', "name": "n", "targetResourceUuid": "t"},
        "userTags": ["u"],
    }
    assert (asked.method, asked.path) == ("POST", "/zstack/v1/longjobs")
    assert asked.headers["authorization"] == "OAuth s"
    assert "x-job-uuid" not in asked.headers, "so a fast server answers at once"


def test_a_lost_submit_is_sent_again_under_the_same_uuid(flavour: str) -> None:
    with FakeServer(Reply(drop=True), failed(503, "SYS.1010"), job()) as server:
        with client(flavour, server.url, token="s") as c:
            c.jobs.submit("J")
    uuids = [asked.body["params"]["resourceUuid"] for asked in server.asked]
    assert len(uuids) == 3 and len(set(uuids)) == 1


def test_a_lost_rerun_is_asked_for_before_it_is_sent_again(flavour: str) -> None:
    with FakeServer(Reply(drop=True), Reply(202), job()) as server:
        with client(flavour, server.url, token="s") as c:
            c.jobs.rerun(UUID)
    first = server.asked[0].headers["x-job-uuid"]
    assert [asked.path for asked in server.asked[1:]] == [f"/zstack/v1/api-jobs/{first}"] * 2


def test_an_accepted_call_is_polled_at_the_clients_own_address(flavour: str) -> None:
    with FakeServer(accepted("c9"), Reply(202), job()) as server:
        with client(flavour, server.url, token="s") as c:
            assert c.jobs.submit("J").uuid == UUID
    assert [asked.path for asked in server.asked[1:]] == ["/zstack/v1/api-jobs/c9"] * 2


@pytest.mark.parametrize(("first", "status"), [(None, 503), (accepted(), 503), (None, 400), (None, 404)])
def test_errors_have_the_class_of_their_code_at_once_and_at_the_poll(flavour: str, first: Any, status: int) -> None:
    replies = [reply for reply in (first, failed(status, "SYS.1007", "wrong")) if reply]
    with FakeServer(*replies) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.InvalidArgumentError, match="SYS.1007: wrong. Correct what"):
            c.jobs.submit("J")


def test_account_and_password_log_in_at_the_first_call_and_out_at_the_end(flavour: str) -> None:
    with FakeServer(LOGIN, job(), job(), Reply()) as server:
        with client(flavour, server.url, account="admin", password="password") as c:
            c.jobs.submit("J")
            c.jobs.submit("J")
    login, first, second, logout = server.asked
    assert login.body["logInByAccount"]["accountName"] == "admin"
    assert login.body["logInByAccount"]["password"].startswith("b109f3bbbc244eb8"), "never in clear"
    assert first.headers["authorization"] == second.headers["authorization"] == f"OAuth {SESSION['uuid']}"
    assert (logout.method, logout.path) == ("DELETE", f"/zstack/v1/accounts/sessions/{SESSION['uuid']}")


@pytest.mark.parametrize("poll", [True, False])
def test_an_expired_session_is_renewed_once_and_the_call_goes_on(flavour: str, poll: bool) -> None:
    expired = ([accepted()] if poll else []) + [failed(503, "ID.1001")]
    again = Reply(200, {"inventory": {**SESSION, "uuid": "0" * 32}})
    with FakeServer(LOGIN, *expired, again, job(), Reply()) as server:
        with client(flavour, server.url, account="a", password="p") as c:
            assert c.jobs.submit("J").uuid == UUID
    assert server.asked[-1].path.endswith("0" * 32), "only the session that still lives is ended"
    with FakeServer(LOGIN, failed(401, "ID.1001"), again, failed(401, "ID.1001"), Reply()) as server:
        with client(flavour, server.url, account="a", password="p") as c:
            with pytest.raises(errors.SessionInvalidError):
                c.jobs.submit("J")


def test_a_given_token_is_neither_renewed_nor_ended(flavour: str) -> None:
    with FakeServer(failed(401, "ID.1001")) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.SessionInvalidError):
            c.jobs.submit("J")
        with pytest.raises(ValueError, match="account="):
            c.login()
    assert len(server.asked) == 1


def test_a_client_without_credentials_is_refused(flavour: str) -> None:
    for options in ({}, {"account": "a"}, {"password": "p"}):
        with pytest.raises(ValueError, match="token="), client(flavour, "http://localhost", **options):
            pass


def test_login_answers_the_session_without_showing_its_secret(flavour: str) -> None:
    with FakeServer(LOGIN, Reply()) as server, client(flavour, server.url, account="a", password="p") as c:
        session = c.login()
    assert session.uuid == SESSION["uuid"] and session.uuid not in repr(session)
    assert session.expired_date - session.create_date == timedelta(hours=2)


def test_closing_does_not_fail_when_the_server_is_gone(flavour: str) -> None:
    with FakeServer(LOGIN, Reply(drop=True)) as server, client(flavour, server.url, account="a", password="p") as c:
        c.login()
    assert len(server.asked) == 2, "a logout is tried once"


def test_wait_looks_until_the_job_is_final(flavour: str) -> None:
    with FakeServer(job(), jobs("Running"), jobs("Canceling"), jobs("Succeeded")) as server:
        with client(flavour, server.url, token="s") as c:
            assert c.jobs.submit("J").wait(timeout=30).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Failed", errors.JobFailedError),
        ("Canceled", errors.JobCanceledError),
        ("Suspended", errors.JobSuspendedError),
    ],
)
def test_wait_raises_what_became_of_the_job_or_answers_it_unchecked(flavour: str, state: str, kind: Any) -> None:
    result = '{"code":"SYS.1016","detail":"disk full"}'
    reply = Reply(200, {"inventories": [{**JOB, "state": state, "jobResult": result}]})
    with FakeServer(reply, reply) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(kind, match=f"is {state}: SYS.1016: disk full") as caught:
            c.jobs.wait(UUID, timeout=30)
        assert (caught.value.code, caught.value.detail) == ("SYS.1016", "disk full")
        assert caught.value.job.state.value == state
        assert c.jobs.wait(UUID, timeout=30, check=False).state.value == state


def test_waits_have_a_limit_that_the_error_names(flavour: str) -> None:
    with FakeServer(*[jobs("Running")] * 200) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.WaitTimeoutError, match=r"is Running after 0.1 s \(wait\(timeout=\)\)"):
            c.jobs.wait(UUID, timeout=0.1)
    pairs = [reply for _ in range(100) for reply in (jobs("Running"), progress(5))]
    with FakeServer(*pairs) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.WaitTimeoutError, match=r"progress\(timeout=\)"):
            list(c.jobs.progress(UUID, timeout=0.1))


def test_progress_is_given_when_it_changes_until_the_job_ends(flavour: str) -> None:
    replies = [
        jobs("Waiting"), Reply(200, {"inventories": []}),
        jobs("Running"), progress(0),
        jobs("Running"), progress(0),
        jobs("Running"), progress(40, bytesDone=4, bytesTotal=10, rateBytesPerSecond=2, etaSeconds=3),
        jobs("Running"), progress(40, bytesDone=5, bytesTotal=10, stalled=True),
        jobs("Succeeded"), progress(100),
    ]  # fmt: skip
    with FakeServer(*replies) as server, client(flavour, server.url, token="s") as c:
        seen = list(c.jobs.progress(UUID, timeout=30))
    assert [(p.percent, p.bytes_done, p.stalled) for p in seen] == [
        (0, 0, False), (40, 4, False), (40, 5, True), (100, 0, False),
    ]  # fmt: skip
    assert (seen[1].rate_bytes_per_second, seen[1].eta_seconds, seen[0].eta_seconds) == (2, 3, None)
    assert seen[0].time == datetime(2017, 11, 14, 14, 20, 57, 123_000, tzinfo=timezone.utc)
    assert server.asked[1].path == f"/zstack/v1/task-progresses/{JOB['apiId']}"


def test_progress_of_other_servers_without_numbers_is_read(flavour: str) -> None:
    row = {"taskUuid": "t", "taskName": "n", "type": "Task", "content": "uploading", "time": 0}
    with FakeServer(jobs("Succeeded"), Reply(200, {"inventories": [row]})) as server:
        with client(flavour, server.url, token="s") as c:
            (only,) = list(c.jobs.progress(UUID))
    assert (only.percent, only.stage, only.bytes_total) == (0, "", 0)


def page(*uuids: str) -> Reply:
    return Reply(200, {"inventories": [{**JOB, "uuid": uuid} for uuid in uuids], "schema": {}})


def test_a_query_pages_by_uuid_so_that_rows_that_come_and_go_move_nothing(flavour: str) -> None:
    with FakeServer(page("a", "b"), page("c", "d"), page("e")) as server, client(flavour, server.url, token="s") as c:
        assert [found.uuid for found in c.jobs.query("state=Failed", page_size=2)] == ["a", "b", "c", "d", "e"]
    queries = [asked.query for asked in server.asked]
    first = [("q", "state=Failed"), ("limit", "2"), ("sort", "+uuid")]
    assert queries == [first, [*first, ("q", "uuid>b")], [*first, ("q", "uuid>d")]]


def test_a_sorted_query_pages_by_offset_up_to_its_limit(flavour: str) -> None:
    with FakeServer(page("d", "a"), page("c")) as server, client(flavour, server.url, token="s") as c:
        found = [row.uuid for row in c.jobs.query(sort="-createDate", limit=3, page_size=2)]
    assert found == ["d", "a", "c"]
    assert [asked.query for asked in server.asked] == [
        [("limit", "2"), ("sort", "-createDate"), ("start", "0")],
        [("limit", "1"), ("sort", "-createDate"), ("start", "2")],
    ]


def test_a_query_fetches_no_page_that_nobody_asks_for(flavour: str) -> None:
    with FakeServer(page("a", "b")) as server, client(flavour, server.url, token="s") as c:
        rows = c.jobs.query(page_size=2)
        assert server.asked == []
        assert next(rows).uuid == "a"
        assert len(server.asked) == 1
        assert list(c.jobs.query(limit=0)) == []
    assert len(server.asked) == 1


def test_a_server_that_repeats_its_page_does_not_make_an_endless_loop(flavour: str) -> None:
    with FakeServer(page("a", "b"), page("a", "b")) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.UnexpectedAnswerError, match="repeats the page"):
            list(c.jobs.query(page_size=2))
        with pytest.raises(ValueError, match="page_size"):
            list(c.jobs.query(page_size=0))


def test_what_is_not_there_is_not_found(flavour: str) -> None:
    with FakeServer(jobs(), jobs()) as server, client(flavour, server.url, token="s") as c:
        for look in (c.jobs.get, c.volumes.get):
            with pytest.raises(errors.NotFoundError, match=UUID):
                look(UUID)
        with pytest.raises(ValueError, match="is no uuid"):
            c.jobs.get("../accounts")


def test_a_count_reads_the_total(flavour: str) -> None:
    with FakeServer(Reply(200, {"total": 7}), Reply(200, {})) as server, client(flavour, server.url, token="s") as c:
        assert c.jobs.count("state=Running") == 7
        with pytest.raises(errors.UnexpectedAnswerError, match="total"):
            c.jobs.count()
    assert server.asked[0].query == [("q", "state=Running"), ("count", "true")]


def test_actions_name_their_wrapper_and_leave_out_what_is_not_given(flavour: str) -> None:
    replies = [job(), Reply(), accepted(), job(), accepted(), job(), accepted(), Reply(), Reply(), jobs("Failed")]
    with FakeServer(job(), *replies) as server, client(flavour, server.url, token="s") as c:
        one = c.jobs.submit("J")
        one.update(name="n")
        one.cancel()
        one.rerun()
        one.resume()
        one.clean()
        one.delete()
        assert one.refresh().state is JobState.FAILED
    bodies = [asked.body for asked in server.asked if asked.method == "PUT"]
    assert bodies == [
        {"updateLongJob": {"name": "n"}}, {"cancelLongJob": {}}, {"rerunLongJob": {}}, {"resumeLongJob": {}},
        {"cleanLongJob": {}},
    ]  # fmt: skip


def test_a_zone_makes_moments_without_one_aware(flavour: str) -> None:
    zone = timezone(timedelta(hours=8))
    with FakeServer(job()) as server, client(flavour, server.url, token="s", server_zone=zone) as c:
        done = c.jobs.submit("J")
    assert done.last_op_date == done.create_date


@pytest.mark.parametrize(
    "change", [{"uuid": None}, {"uuid": 7}, {"state": "Dreaming"}, {"createDate": "soon"}, {"executeTime": "1"}]
)
def test_an_inventory_that_is_none_is_told_with_the_key(flavour: str, change: Any) -> None:
    with FakeServer(job(**change)) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.UnexpectedAnswerError, match="LongJobInventory"):
            c.jobs.submit("J")


@pytest.mark.parametrize("body", [{}, {"inventory": []}, {"inventories": {}}])
def test_an_answer_without_its_inventory_is_told(flavour: str, body: Any) -> None:
    with FakeServer(Reply(200, body), Reply(200, body)) as server, client(flavour, server.url, token="s") as c:
        with pytest.raises(errors.UnexpectedAnswerError):
            c.jobs.submit("J")
        with pytest.raises(errors.UnexpectedAnswerError):
            c.jobs.get(UUID)


def test_a_silent_server_is_given_up_after_the_request_timeout_and_the_retries(flavour: str) -> None:
    with FakeServer(*[Reply(hang=True)] * 2) as server:
        with client(flavour, server.url, token="s", request_timeout=0.1, retries=1) as c:
            with pytest.raises(errors.TransportError):
                c.jobs.get(UUID)
    assert len(server.asked) == 2


def test_a_server_that_is_not_there_is_told_with_its_reason(flavour: str) -> None:
    with FakeServer() as server:
        url = server.url
    with client(flavour, url, token="s", retries=0) as c:
        with pytest.raises(errors.TransportError, match="GET /longjobs") as caught:
            c.jobs.get(UUID)
    assert caught.value.sent is False


def test_an_answer_beyond_the_limit_is_refused(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_MAX_BYTES", 1000)
    with FakeServer(Reply(200, {"x": "y" * 2000})) as server, client(flavour, server.url, token="s", retries=0) as c:
        with pytest.raises(errors.TransportError, match="ANSWER_MAX_BYTES"):
            c.jobs.get(UUID)


def test_many_calls_at_once_log_in_once(flavour: str) -> None:
    with FakeServer(LOGIN, *[jobs("Running")] * 20, Reply()) as server:
        if flavour == "asyncio":

            async def together() -> None:
                async with AsyncLonghaul(server.url, account="a", password="p") as c:
                    await asyncio.gather(*(c.jobs.get(UUID) for _ in range(20)))

            asyncio.run(together())
        else:
            from concurrent.futures import ThreadPoolExecutor

            with Longhaul(server.url, account="a", password="p") as c, ThreadPoolExecutor(20) as pool:
                list(pool.map(lambda _: c.jobs.get(UUID), range(20)))
    assert [asked.path for asked in server.asked].count("/zstack/v1/accounts/login") == 1


def test_a_client_of_the_callers_own_is_used_and_left_open(flavour: str) -> None:
    headers = {"X-Mine": "1", "Connection": "close"}  # its connection must not outlive the loop that made it
    own: Any = httpx.Client(headers=headers) if flavour == "sync" else httpx.AsyncClient(headers=headers)
    with FakeServer(jobs("Running")) as server:
        with client(flavour, server.url, token="s", http=own) as c:
            c.jobs.get(UUID)
        assert server.asked[0].headers["x-mine"] == "1"
        assert not own.is_closed
        own.close() if flavour == "sync" else asyncio.run(own.aclose())


@pytest.mark.parametrize("names", [("Longhaul", "AsyncLonghaul"), ("Jobs", "AsyncJobs"), ("LongJob", "AsyncLongJob"),
                                   ("Storages", "AsyncStorages"), ("Volumes", "AsyncVolumes")])  # fmt: skip
def test_both_clients_have_the_same_methods_with_the_same_arguments(flavour: str, names: Any) -> None:
    mine, other = (getattr(plain, names[0]), getattr(aio, names[1]))
    methods = {name: text.replace("_jobs: 'Jobs'", "") for name, text in public_methods(mine)}
    others = {name: text.replace("_jobs: 'AsyncJobs'", "") for name, text in public_methods(other)}
    for both in (methods, others):
        both.pop("__init__", None) if issubclass(mine, models.Job) or names[0] == "Volumes" else None
    assert methods == others and methods
