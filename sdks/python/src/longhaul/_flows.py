"""The calls of the modern client as flows: paths, wrappers, what is read out of an answer, what is repeated.

Shared by `client` and `aio`; sends nothing itself (see `_exchange`). `make` turns a LongJobInventory into the job
class of the one or the other.
"""

from __future__ import annotations

import json
import re
import uuid as uuids
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union
from urllib.parse import quote

from . import limits
from ._exchange import Emit, Items, Pacing, Renew, Replay, Request, Steps, call, growing, rest
from .errors import (
    JobCanceledError,
    JobFailedError,
    JobSuspendedError,
    NotFoundError,
    SessionInvalidError,
    UnexpectedAnswerError,
)
from .error_code import ErrorCode
from .models import Job, JobState, JsonObject, Progress, Session
from .passwords import sha512_hex

J = TypeVar("J", bound=Job)
E = TypeVar("E")
Make = Callable[[JsonObject], E]

MIGRATE_VOLUME = "APIPrimaryStorageMigrateVolumeMsg"


class Access:
    """Who calls: a session that the caller chose, or an account that is logged in when a call needs it."""

    def __init__(self, token: Optional[str], account: Optional[str], password: Optional[str]) -> None:
        if token is None and (account is None or password is None):
            raise ValueError("say who calls: token=, a session's uuid, or account= and password=")
        self.token = token
        self._account, self._password = account, password
        #: Sessions that this client opened and has not closed.
        self.opened: List[str] = []

    @property
    def can_log_in(self) -> bool:
        """Whether account and password are known."""
        return self._account is not None and self._password is not None

    def login_body(self) -> JsonObject:
        """The login of the account; the password only as its hash."""
        if self._account is None or self._password is None:
            raise ValueError("this client has a token only: give account= and password= to log in")
        return {"logInByAccount": {"accountName": self._account, "password": sha512_hex(self._password)}}


@dataclass(frozen=True)
class Core:
    """What all flows of one client share."""

    access: Access
    pacing: Pacing
    zone: Optional[tzinfo]


def login(core: Core) -> Steps[Session]:
    """Opens a session and makes it the client's."""
    body = core.access.login_body()
    result = yield from call(core.pacing, Request("PUT", "/accounts/login", body=body))
    session = Session.from_wire(_object(result, "inventory"), core.zone)
    core.access.token = session.uuid
    core.access.opened.append(session.uuid)
    return session


def logout(core: Core) -> Steps[None]:
    """Ends the sessions that this client opened, and forgets a given one without ending it. Each is tried once:
    a server that is away ends them by itself, after their time."""
    core.access.token = None
    pacing = replace(core.pacing, retries=0)
    while core.access.opened:
        session = core.access.opened[-1]
        yield from call(pacing, Request("DELETE", f"/accounts/sessions/{_segment(session)}"))
        if session in core.access.opened:
            core.access.opened.remove(session)


def authorised(core: Core, request: Request, replay: Replay = Replay.RESEND) -> Steps[JsonObject]:
    """`call` with a session; logs in first where there is none, and once more where it has expired."""
    access = core.access
    if access.token is None:
        yield Renew(None)
    used = access.token
    try:
        return (yield from call(core.pacing, _as_session(request, used), replay))
    except SessionInvalidError:
        if not access.can_log_in:
            raise
    if used in access.opened:
        access.opened.remove(used)
    yield Renew(used)
    return (yield from call(core.pacing, _as_session(request, access.token), replay))


# --- jobs


def submit(
    core: Core,
    make: Make[J],
    job_name: str,
    data: Union[str, Mapping[str, Any], None],
    name: Optional[str],
    description: Optional[str],
    target: Optional[str],
    uuid: Optional[str],
    system_tags: Sequence[str],
    user_tags: Sequence[str],
) -> Steps[J]:
    """Submits a job under a uuid chosen here, so that sending it again cannot make a second one."""
    params = {
        "jobName": job_name,
        "jobData": data if isinstance(data, str) else json.dumps(dict(data or {}), allow_nan=False),
        "resourceUuid": uuids.uuid4().hex if uuid is None else uuid,
        "name": name,
        "description": description,
        "targetResourceUuid": target,
    }
    body: JsonObject = {"params": {key: value for key, value in params.items() if value is not None}}
    if system_tags:
        body["systemTags"] = list(system_tags)
    if user_tags:
        body["userTags"] = list(user_tags)
    result = yield from authorised(core, Request("POST", "/longjobs", body=body))
    return make(_object(result, "inventory"))


def get(core: Core, path: str, what: str, uuid: str, make: Make[E]) -> Steps[E]:
    """The one resource below `path` with this uuid; `NotFoundError` if there is none."""
    result = yield from authorised(core, Request("GET", f"{path}/{_segment(uuid)}"))
    rows = _objects(result)
    if not rows:
        description = "A resource can not be found"
        raise NotFoundError(ErrorCode("SYS.1003", description, f"there is no {what} with the uuid {uuid}"), 200)
    return make(rows[0])


def act(core: Core, uuid: str, action: str, replay: Replay, params: Mapping[str, Any]) -> Steps[JsonObject]:
    """One of the actions of a job; `None` in `params` means: leave it out."""
    given = {key: value for key, value in params.items() if value is not None}
    request = Request("PUT", f"/longjobs/{_segment(uuid)}/actions", body={action: given})
    return (yield from authorised(core, request, replay))


def act_on_job(
    core: Core, make: Make[J], uuid: str, action: str, replay: Replay, params: Mapping[str, Any]
) -> Steps[J]:
    """The same for actions that answer the job."""
    result = yield from act(core, uuid, action, replay, params)
    return make(_object(result, "inventory"))


def act_only(core: Core, uuid: str, action: str, replay: Replay) -> Steps[None]:
    """The same for actions that answer nothing."""
    yield from act(core, uuid, action, replay, {})


def delete_job(core: Core, uuid: str) -> Steps[None]:
    """Deletes a job; one that is not there is no error."""
    yield from authorised(core, Request("DELETE", f"/longjobs/{_segment(uuid)}"))


def wait(
    core: Core, make: Make[J], uuid: str, timeout: float, interval: float, check: bool
) -> Steps[J]:
    """Looks at a job until it is final or suspended. With `check`, anything but success is raised."""
    deadline = core.pacing.clock() + timeout
    pauses = growing(limits.POLL_FIRST_S, 1.5, interval)
    while True:
        job = yield from get(core, "/longjobs", "job", uuid, make)
        if _stands(job):
            if check:
                _raise_unless_succeeded(job)
            return job
        yield from rest(core.pacing, next(pauses), deadline, _not_ended(job, timeout, "wait"))


def progress(core: Core, uuid: str, timeout: float, interval: float) -> Items[Progress]:
    """Emits a job's progress whenever it has changed, until the job is final or suspended."""
    deadline = core.pacing.clock() + timeout
    pauses = growing(limits.POLL_FIRST_S, 1.5, interval)
    told: Optional[Tuple[object, ...]] = None
    while True:
        job = yield from get(core, "/longjobs", "job", uuid, lambda row: Job.from_wire(row, core.zone))
        # Asked for after the state: once the state is final, this is the last progress there will be.
        result = yield from authorised(core, Request("GET", f"/task-progresses/{_segment(job.api_id)}"))
        rows = _objects(result)
        if rows:
            latest = Progress.from_wire(rows[-1])
            seen = (latest.percent, latest.stage, latest.bytes_done, latest.bytes_total, latest.stalled)
            if seen != told:
                told = seen
                yield Emit(latest)
        if _stands(job):
            return
        yield from rest(core.pacing, next(pauses), deadline, _not_ended(job, timeout, "progress"))


# --- queries


def query(
    core: Core,
    path: str,
    make: Make[E],
    conditions: Sequence[str],
    sort: Optional[str],
    limit: Optional[int],
    page_size: int,
) -> Items[E]:
    """Emits the rows that meet all conditions, page by page; at most `limit`.

    Without `sort` in the order of uuid, each page from the last uuid on: however many rows come and go meanwhile,
    none is given twice and none that stays is left out. With `sort` by offset, where rows can move between pages.
    """
    if page_size < 1:
        raise ValueError("page_size must be 1 or more")
    given, last = 0, ""
    while limit is None or given < limit:
        size = page_size if limit is None else min(page_size, limit - given)
        asked = [("q", condition) for condition in conditions] + [("limit", str(size))]
        if sort is not None:
            asked += [("sort", sort), ("start", str(given))]
        else:
            asked += [("sort", "+uuid")] + ([("q", f"uuid>{last}")] if last else [])
        rows = _objects((yield from authorised(core, Request("GET", path, query=tuple(asked)))))
        for row in rows:
            yield Emit(make(row))
        given += len(rows)
        if len(rows) < size:
            return
        before, last = last, str(rows[-1].get("uuid", ""))
        if sort is None and last <= before:
            raise UnexpectedAnswerError(f"the server repeats the page after {before}: it ignores q=uuid>…", 200)


def count(core: Core, path: str, conditions: Sequence[str]) -> Steps[int]:
    """How many rows meet all conditions."""
    asked = tuple(("q", condition) for condition in conditions) + (("count", "true"),)
    result = yield from authorised(core, Request("GET", path, query=asked))
    total = result.get("total")
    if not isinstance(total, int):
        raise UnexpectedAnswerError("the server's answer to a count has no total", 200)
    return total


# --- helpers


def _segment(text: str) -> str:
    """`text` as one segment of a path: no uuid leads to another path."""
    if not re.fullmatch(r"[0-9A-Za-z_-]+", text):
        raise ValueError(f"{text!r} is no uuid: expected 32 hex digits")
    return quote(text, safe="")


def _as_session(request: Request, token: Optional[str]) -> Request:
    return replace(request, headers={**request.headers, "Authorization": f"OAuth {token}"})


def _object(result: Mapping[str, Any], key: str) -> Dict[str, Any]:
    value = result.get(key)
    if isinstance(value, dict):
        return value
    raise UnexpectedAnswerError(f"the server's answer has no object {key!r}, only {sorted(result)}", 200)


def _objects(result: Mapping[str, Any]) -> List[Dict[str, Any]]:
    rows = result.get("inventories")
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        return rows
    raise UnexpectedAnswerError(f"the server's answer has no list 'inventories', only {sorted(result)}", 200)


def _stands(job: Job) -> bool:
    """Whether the job changes no more unless somebody acts."""
    return job.state.final or job.state is JobState.SUSPENDED


def _not_ended(job: Job, timeout: float, call_name: str) -> str:
    return (
        f"job {job.uuid} is {job.state.value} after {timeout:g} s ({call_name}(timeout=)). It goes on: "
        "wait again, or cancel it."
    )


def _raise_unless_succeeded(job: Job) -> None:
    kinds = {
        JobState.FAILED: JobFailedError,
        JobState.CANCELED: JobCanceledError,
        JobState.SUSPENDED: JobSuspendedError,
    }
    kind = kinds.get(job.state)
    if kind is not None:
        raise kind(job)


