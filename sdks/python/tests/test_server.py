"""Both layers against the real server, in both reply profiles: every call, every state, every error a user meets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import uuid
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from longhaul import AsyncLonghaul, JobState, Longhaul, actions, errors, parse_timestamp
from longhaul.actions import Config

from .flavours import FLAVOURS, client
from .server import PASSWORD, SIMULATE, serve

PROFILES = ("fast", "zstack")
Served = Tuple[str, str]


@pytest.fixture(scope="module", params=PROFILES)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server with the simulator: its address and its reply profile."""
    with serve("--simulator", "--replies", request.param) as url:
        yield url, request.param


@pytest.fixture(params=FLAVOURS)
def admin(request: pytest.FixtureRequest, served: Served) -> Iterator[Any]:
    """The modern client of either flavour, as the admin."""
    with client(request.param, served[0], account="admin", password=PASSWORD) as c:
        yield c


@pytest.fixture
def config(served: Served) -> Config:
    """Actions that call the server, with a session."""
    host, port = served[0][len("http://") :].split(":")
    here = Config(host=host, port=int(port))
    login = actions.LogInByAccountAction()
    login.accountName, login.password = "admin", actions.sha512_hex(PASSWORD)
    session = login.call(config=here).unwrap().inventory.uuid
    return Config(host=host, port=int(port), session_id=session)


def test_a_job_is_submitted_watched_and_waited_for(admin: Any, served: Served) -> None:
    job = admin.jobs.submit(SIMULATE, {"durationMs": 400, "progressSteps": 4, "result": {"a": 1}}, name="n", description="d")
    seen = [progress.percent for progress in job.progress(timeout=60, interval=0.1)]
    done = job.wait(timeout=60)
    assert (done.name, done.description, done.state, done.job_name) == ("n", "d", JobState.SUCCEEDED, SIMULATE)
    assert done.result["success"] is True and done.result["result"] == {"a": 1}
    assert done.execute_time >= 1
    assert seen == sorted(seen) and seen[-1] == 100
    assert done.api_id == job.api_id and done.uuid == job.uuid
    assert (done.create_date.tzinfo is not None) == (served[1] == "fast"), "only fast names its offset"
    assert done.last_op_date >= done.create_date


def test_the_same_submission_is_the_same_job_and_another_one_is_refused(admin: Any) -> None:
    mine = uuid.uuid4().hex
    first = admin.jobs.submit(SIMULATE, {"durationMs": 0}, uuid=mine)
    assert admin.jobs.submit(SIMULATE, {"durationMs": 0}, uuid=mine).uuid == first.uuid == mine
    with pytest.raises(errors.ResourceUuidTakenError):
        admin.jobs.submit(SIMULATE, {"durationMs": 1}, uuid=mine)


def test_a_failure_is_told_with_its_code_and_a_rerun_runs_afresh(admin: Any) -> None:
    job = admin.jobs.submit(SIMULATE, {"durationMs": 0, "outcome": "fail", "errorCode": "SYS.1016", "errorDetails": "full"})
    with pytest.raises(errors.JobFailedError) as caught:
        job.wait(timeout=60)
    assert (caught.value.code, caught.value.detail) == ("SYS.1016", "full")
    again = job.rerun()
    assert again.uuid == job.uuid and again.api_id != job.api_id
    assert again.wait(timeout=60, check=False).state is JobState.FAILED


def test_a_cancel_ends_the_job(admin: Any) -> None:
    job = admin.jobs.submit(SIMULATE, {"durationMs": 60_000})
    job.cancel()
    with pytest.raises(errors.JobCanceledError, match="has been canceled"):
        job.wait(timeout=60)
    job.cancel()  # canceled already: no error
    job.delete()
    with pytest.raises(errors.NotFoundError):
        job.refresh()
    job.delete()  # gone already: no error


def test_a_suspended_job_is_told_and_resumed(admin: Any) -> None:
    job = admin.jobs.submit(SIMULATE, {"durationMs": 100, "outcome": "interrupt"})
    with pytest.raises(errors.JobSuspendedError, match="resume it"):
        job.wait(timeout=60)
    job.resume()
    assert job.wait(timeout=60).state is JobState.SUCCEEDED


def test_a_job_that_hangs_in_canceling_is_cleaned(admin: Any) -> None:
    job = admin.jobs.submit(SIMULATE, {"durationMs": 60_000, "onCancel": "slow", "cancelDelayMs": 60_000})
    job.cancel()
    job.clean()
    assert job.wait(timeout=60, check=False).state is JobState.CANCELED


def test_a_name_is_changed_and_what_is_not_given_stays(admin: Any) -> None:
    job = admin.jobs.submit(SIMULATE, {"durationMs": 0}, description="d").wait(timeout=60)
    assert (job.update(name="new").name, job.refresh().description) == ("new", "d")


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda c: c.jobs.submit("NoSuchMsg"), errors.InvalidArgumentError),
        (lambda c: c.jobs.submit(SIMULATE, {"durationMs": -1}), errors.InvalidArgumentError),
        (lambda c: c.jobs.submit(SIMULATE, "no json"), errors.InvalidArgumentError),
        (lambda c: c.jobs.rerun(uuid.uuid4().hex), errors.NotFoundError),
        (lambda c: c.jobs.cancel(uuid.uuid4().hex), errors.NotFoundError),
        (lambda c: c.jobs.submit(SIMULATE, {"durationMs": 60_000}).delete(), errors.InvalidArgumentError),
        (lambda c: c.jobs.submit(SIMULATE, {"durationMs": 60_000}).resume(), errors.InvalidArgumentError),
        (lambda c: c.jobs.submit("APISimulateRigidJobMsg", {"durationMs": 60_000}).wait(timeout=0.1), errors.WaitTimeoutError),
        (lambda c: c.jobs.submit(SIMULATE, {"durationMs": 60_000, "onCancel": "refuse"}).cancel(), errors.NotCancelableNowError),
        (lambda c: c.jobs.submit(SIMULATE, target="x"), errors.NotFoundError),
    ],
)  # fmt: skip
def test_what_goes_wrong_has_its_class_in_both_profiles(admin: Any, act: Any, kind: Any) -> None:
    with pytest.raises(kind) as caught:
        act(admin)
    assert type(caught.value) is kind
    assert str(caught.value)


def test_a_query_gives_every_job_once_while_others_are_deleted_and_added(admin: Any) -> None:
    name = uuid.uuid4().hex
    made = {admin.jobs.submit(SIMULATE, {"durationMs": 0}, name=name).wait(timeout=60).uuid for _ in range(7)}
    assert admin.jobs.count(f"name={name}") == 7
    seen = []
    for job in admin.jobs.query(f"name={name}", "state?=Succeeded,Failed", page_size=2):
        seen.append(job.uuid)
        job.delete()
        admin.jobs.submit(SIMULATE, {"durationMs": 60_000}, name=name)
    assert len(seen) == 7 and set(seen) == made
    newest = [job.create_date for job in admin.jobs.query(sort="-createDate", limit=3, page_size=2)]
    assert newest == sorted(newest, reverse=True) and len(newest) == 3
    with pytest.raises((errors.InvalidArgumentError, errors.InternalError)):
        list(admin.jobs.query("noSuchField=1"))


def test_a_condition_may_have_every_character(admin: Any) -> None:
    for name in ("a b", "100%", "x&y=z", "plus+plus", "smörgås 日本", "quo'te\"d", "semi;colon#hash?"):
        job = admin.jobs.submit(SIMULATE, {"durationMs": 0}, name=name)
        assert job.name == name
        assert [found.uuid for found in admin.jobs.query(f"uuid={job.uuid}", f"name={name}")] == [job.uuid]


def test_a_wrong_password_and_a_wrong_token_are_told(served: Served) -> None:
    with Longhaul(served[0], account="admin", password="wrong") as c, pytest.raises(errors.LoginFailedError):
        c.jobs.count()
    with Longhaul(served[0], token="0" * 32) as c, pytest.raises(errors.SessionInvalidError):
        c.jobs.count()
    with Longhaul(served[0], token="0" * 32) as c, pytest.raises(errors.SessionInvalidError):
        c.jobs.submit(SIMULATE)


def test_a_session_that_ends_is_renewed_without_the_callers_help(served: Served) -> None:
    with Longhaul(served[0], account="admin", password=PASSWORD) as c:
        session = c.login()
        logout = actions.LogOutAction()
        logout.sessionUuid = session.uuid
        host, port = served[0][len("http://") :].split(":")
        assert logout.call(config=Config(host=host, port=int(port))).error is None
        assert c.jobs.submit(SIMULATE, {"durationMs": 0}).wait(timeout=60).state is JobState.SUCCEEDED


def test_a_closed_client_has_logged_out(served: Served) -> None:
    with Longhaul(served[0], account="admin", password=PASSWORD) as c:
        token = c.login().uuid
    with Longhaul(served[0], token=token) as c, pytest.raises(errors.SessionInvalidError):
        c.jobs.count()


def test_a_hundred_jobs_are_submitted_and_awaited_at_once(served: Served) -> None:
    async def together() -> None:
        async with AsyncLonghaul(served[0], account="admin", password=PASSWORD) as c:
            jobs = await asyncio.gather(*(c.jobs.submit(SIMULATE, {"durationMs": 200}) for _ in range(100)))
            done = await asyncio.gather(*(job.wait(timeout=120) for job in jobs))
            assert {job.state for job in done} == {JobState.SUCCEEDED}
            assert len({job.uuid for job in done}) == 100

    asyncio.run(together())


@pytest.mark.parametrize("profile", PROFILES)
def test_a_client_gets_over_a_server_that_is_killed_and_started_again(profile: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    flags = ("--simulator", "--replies", profile)
    later: List[Any] = []
    with Longhaul(f"http://{listen}", account="admin", password=PASSWORD, retries=20) as c:
        with serve(*flags, listen=listen, directory=tmp_path):
            job = c.jobs.submit(SIMULATE, {"durationMs": 500})
            rerun = c.jobs.submit(SIMULATE, {"durationMs": 0}).wait(timeout=60)
        threads = [
            threading.Thread(target=lambda: later.append(c.jobs.submit(SIMULATE, {"durationMs": 0}))),
            threading.Thread(target=lambda: later.append(rerun.rerun())),
        ]
        for thread in threads:
            thread.start()
        with serve(*flags, listen=listen, directory=tmp_path):
            for thread in threads:
                thread.join(60)
            assert len(later) == 2 and rerun.uuid in {one.uuid for one in later}
            assert {one.wait(timeout=60).state for one in (job, *later)} == {JobState.SUCCEEDED}
            assert c.jobs.count() == 3


def submitted(config: Config, **data: Any) -> Any:
    action = actions.SubmitLongJobAction()
    action.jobName, action.jobData = SIMULATE, json.dumps(data)
    return action.call(config=config).unwrap().inventory


def ended(config: Config, job: str, *states: str) -> Any:
    """The job once it is in one of `states`."""
    url = f"http://{config.host}:{config.port}"
    with Longhaul(url, token=config.session_id) as c:
        c.jobs.wait(job, timeout=60, interval=0.1, check=False)
    query = actions.QueryLongJobAction()
    query.conditions = [f"uuid={job}"]
    found = query.call(config=config).unwrap().inventories
    assert found is not None and found[0].state in states, found
    return found[0]


def act(config: Config, name: str, job: str) -> Any:
    action = getattr(actions, name)()
    action.uuid = job
    return action.call(config=config)


def test_the_actions_carry_a_job_through_its_life(config: Config) -> None:
    job = submitted(config, durationMs=0, result=[1])
    done = ended(config, job.uuid, "Succeeded")
    assert json.loads(done.jobResult)["result"] == [1]
    assert parse_timestamp(done.lastOpDate) >= parse_timestamp(done.createDate)
    progress = actions.GetTaskProgressAction()
    progress.apiId = done.apiId
    assert progress.call(config=config).unwrap().inventories[0].content == "100"
    progress.all = True
    assert progress.call(config=config).error is None

    update = actions.UpdateLongJobAction()
    update.uuid, update.name = job.uuid, "renamed"
    assert update.call(config=config).unwrap().inventory.name == "renamed"
    again = act(config, "RerunLongJobAction", job.uuid).unwrap().inventory
    assert again.apiId != done.apiId
    ended(config, job.uuid, "Succeeded")
    assert act(config, "DeleteLongJobAction", job.uuid).error is None
    query = actions.QueryLongJobAction()
    query.conditions, query.count = [f"uuid={job.uuid}"], True
    assert query.call(config=config).unwrap().total == 0


def test_the_actions_cancel_resume_and_clean(config: Config) -> None:
    job = submitted(config, durationMs=60_000).uuid
    assert act(config, "CancelLongJobAction", job).error is None
    ended(config, job, "Canceled")
    job = submitted(config, durationMs=100, outcome="interrupt").uuid
    ended(config, job, "Suspended")
    assert act(config, "ResumeLongJobAction", job).unwrap().inventory.uuid == job
    ended(config, job, "Succeeded")
    job = submitted(config, durationMs=60_000, onCancel="slow", cancelDelayMs=60_000).uuid
    assert act(config, "CancelLongJobAction", job).error is None
    assert act(config, "CleanLongJobAction", job).error is None
    ended(config, job, "Canceled")


def test_the_actions_tell_errors_by_code_and_nothing_is_raised(config: Config) -> None:
    action = actions.SubmitLongJobAction()
    action.jobName, action.jobData = "NoSuchMsg", "{}"
    error = action.call(config=config).error
    assert error is not None and error.code == "SYS.1007" and "NoSuchMsg is not an API" in error.details
    assert act(config, "RerunLongJobAction", uuid.uuid4().hex).error.code == "SYS.1003"
    assert act(config, "DeleteLongJobAction", uuid.uuid4().hex).error is None
    action.sessionId = "0" * 32
    error = action.call(config=config).error
    assert error is not None and error.code == "ID.1001"
    login = actions.LogInByAccountAction()
    login.accountName, login.password = "admin", actions.sha512_hex("wrong")
    error = login.call(config=config).error
    assert error is not None and error.code == "ID.1000"


def test_an_actions_completion_gets_what_the_call_would_have_answered(config: Config) -> None:
    got: List[Any] = []
    query = actions.QueryLongJobAction()
    query.limit, query.replyWithCount = 1, True
    query.call(got.append, config=config).join(60)
    assert got[0].error is None and got[0].value.total >= 0
