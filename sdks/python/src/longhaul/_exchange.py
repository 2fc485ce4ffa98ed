"""How a call goes, without doing it: what to send, when to poll, when to send again, what an answer means.

Everything is a flow: a generator that yields steps (send this, pause so long) and is given what came of them. It
opens no socket and never sleeps, so `client` (httpx), `aio` (asyncio) and `actions` (standard library) share it,
and tests play it through with a clock of their own. Which calls there are is in `_flows`.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Callable, Dict, Generator, Generic, Iterator, Mapping, Optional, Tuple, TypeVar, Union
from urllib.parse import quote, urlencode, urlsplit

from . import limits
from .error_code import ErrorCode
from .errors import LonghaulError, TransportError, UnavailableError, UnexpectedAnswerError, WaitTimeoutError, api_error

T = TypeVar("T")
E = TypeVar("E")


@dataclass(frozen=True)
class Request:
    """Step: send this and give back the `Answer`, or throw `TransportError` into the flow."""

    method: str
    #: After `/v1`, percent-encoded.
    path: str
    query: Tuple[Tuple[str, str], ...] = ()
    #: The JSON object to send; `None` sends no body. Not shown, as the headers: sessions and passwords are in them.
    body: Optional[Mapping[str, Any]] = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Seconds until the last byte of the answer.
    timeout: float = limits.REQUEST_TIMEOUT_S

    @property
    def target(self) -> str:
        """Path and query, percent-encoded: a `+` and a space arrive as what they are."""
        return self.path + ("?" + urlencode(self.query, quote_via=quote) if self.query else "")

    @property
    def content(self) -> Optional[bytes]:
        """The body's bytes."""
        return None if self.body is None else json.dumps(self.body, allow_nan=False).encode("ascii")

    @property
    def all_headers(self) -> Dict[str, str]:
        """The headers, with the one that the body needs."""
        typed = {} if self.body is None else {"Content-Type": "application/json;charset=utf-8"}
        return {"Accept": "application/json", **typed, **self.headers}


@dataclass(frozen=True)
class Pause:
    """Step: wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Renew:
    """Step: see to it that the client has another session than this one; only one login runs at a time."""

    stale: Optional[str]


@dataclass(frozen=True)
class Emit(Generic[E]):
    """Step of a flow that is iterated over: one item for the caller."""

    item: E


@dataclass(frozen=True)
class Done(Generic[T]):
    """The end of a flow, with what it returned."""

    value: T


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Optional[Dict[str, Any]]:
        """The body, if it is a JSON object."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def quoted(self) -> str:
        """The beginning of the body, for an error."""
        text = self.body.decode("utf-8", "replace").strip()
        return text if len(text) <= limits.QUOTED_MAX else text[: limits.QUOTED_MAX] + "…"


Step = Union[Request, Pause, Renew]
#: A flow with a result.
Steps = Generator[Step, Optional[Answer], T]
#: A flow that is iterated over.
Items = Generator[Union[Step, Emit[E]], Optional[Answer], None]
#: What a transport makes of a step: the answer of a request, or how it was lost.
Outcome = Tuple[Optional[Answer], Optional[TransportError]]


def resume(flow: Generator[E, Optional[Answer], T], outcome: Outcome = (None, None)) -> Union[E, Done[T]]:
    """Gives `flow` what came of its last step and answers its next one. Without an outcome: starts it."""
    answer, lost = outcome
    try:
        return flow.send(answer) if lost is None else flow.throw(lost)
    except StopIteration as end:
        return Done(end.value)


@dataclass(frozen=True)
class Pacing:
    """How long, how often, by which clock."""

    request_timeout: float = limits.REQUEST_TIMEOUT_S
    call_timeout: float = limits.CALL_TIMEOUT_S
    poll_interval: float = limits.POLL_INTERVAL_S
    retries: int = limits.RETRIES
    #: Seconds from any start; never goes back.
    clock: Callable[[], float] = time.monotonic
    #: 0 to 1; spreads the retries of many clients.
    chance: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for name in ("request_timeout", "call_timeout", "poll_interval"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 seconds: every wait has a limit")
        if self.retries < 0:
            raise ValueError("retries must be 0 or more")


class Replay(Enum):
    """What to do when a request was sent and its answer got lost."""

    #: Send it again: a second time changes nothing more.
    RESEND = "resend"
    #: Ask the server first what became of it; send it again only if it never arrived.
    ASK = "ask"


def growing(first: float, factor: float, longest: float) -> Iterator[float]:
    """Pauses that grow, without an end."""
    pause = min(first, longest)
    while True:
        yield pause
        pause = min(pause * factor, longest)


def api_base(url: str) -> str:
    """`url` up to `/v1`, without a slash at its end; ZStack's context path is added where there is no path.

    Raises:
        ValueError: no `http://` or `https://` address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no server's address: expected http://host:8080")
    path = parts.path.rstrip("/") or "/zstack"
    return f"{parts.scheme}://{parts.netloc}{path}" + ("" if path.endswith("/v1") else "/v1")


def send(request: Request) -> Steps[Answer]:
    """Sends one request."""
    answer = yield request
    if answer is None:
        raise AssertionError("a transport gives an answer to every request")
    return answer


def call_id_of(answer: Answer) -> str:
    """The call that a 202 tells to poll.

    Only the last segment of its `location` is used: polls go to the address that this client was given, never
    to one that an answer names, so a session is shown to nobody else and a server behind a proxy is found.
    """
    location = (answer.json() or {}).get("location")
    marker = "/api-jobs/"
    if not isinstance(location, str) or marker not in location:
        raise UnexpectedAnswerError(
            f"the server accepted the call (202) and does not say where to poll: {answer.quoted()}", 202
        )
    return location.rpartition(marker)[2].partition("?")[0].strip("/")


def result_of(answer: Answer) -> Dict[str, Any]:
    """The result object of a final answer.

    Raises:
        ApiError: the answer is an error of this API, of the class of its code.
        UnexpectedAnswerError: it is none of this API.
    """
    body = answer.json()
    error = None if body is None else body.get("error")
    if isinstance(error, dict):
        raise api_error(ErrorCode.from_wire(error), answer.status)
    if body is None or not 200 <= answer.status < 300:
        raise UnexpectedAnswerError(
            f"HTTP {answer.status} and no JSON of this API: {answer.quoted() or 'an empty body'}. "
            "Check address and context path, and whether a proxy answers in the server's place.",
            answer.status,
        )
    return body


def rest(pacing: Pacing, pause: float, deadline: float, what: str) -> Steps[None]:
    """Pauses, unless `deadline` is over, which is an error that begins with `what`; never beyond it."""
    left = deadline - pacing.clock()
    if left <= 0:
        raise WaitTimeoutError(what)
    yield Pause(min(pause, left))


def follow(pacing: Pacing, call_id: str, headers: Mapping[str, str], deadline: float) -> Steps[Answer]:
    """Polls a call until its final answer. A poll that is lost is sent again, `retries` times in a row."""
    poll = Request("GET", f"/api-jobs/{quote(call_id, safe='')}", headers=headers)
    pauses = growing(limits.POLL_FIRST_S, 1.5, pacing.poll_interval)
    lost_in_a_row = 0
    while True:
        yield from rest(
            pacing,
            next(pauses),
            deadline,
            f"the call {call_id} has no answer after {pacing.call_timeout:g} s (call_timeout). The server "
            "still works on it: give the client more time, or look later what became of it.",
        )
        try:
            answer = yield from send(within(pacing, poll, deadline))
        except TransportError:
            lost_in_a_row += 1
            if lost_in_a_row > pacing.retries:
                raise
            continue
        if answer.status != 202:
            return answer
        lost_in_a_row = 0


def within(pacing: Pacing, request: Request, deadline: float) -> Request:
    """`request`, with as much time as it may have before `deadline`, but never none."""
    return replace(request, timeout=max(0.001, min(pacing.request_timeout, deadline - pacing.clock())))


def once(pacing: Pacing, request: Request) -> Steps[Answer]:
    """Sends `request`, polls if it was accepted, answers the final answer. Nothing but polls is sent again."""
    deadline = pacing.clock() + pacing.call_timeout
    answer = yield from send(within(pacing, request, deadline))
    if answer.status == 202:
        answer = yield from follow(pacing, call_id_of(answer), _authorization(request), deadline)
    return answer


def call(pacing: Pacing, request: Request, replay: Replay = Replay.RESEND) -> Steps[Dict[str, Any]]:
    """The whole call: sends, polls, sends again where that is safe, and answers the result object.

    Raises:
        ApiError, UnexpectedAnswerError: as `result_of`.
        TransportError: no answer within `retries`; for `Replay.ASK` also if nobody can tell what became of it.
        WaitTimeoutError: no answer within `call_timeout`.
    """
    deadline = pacing.clock() + pacing.call_timeout
    call_id = uuid.uuid4().hex
    if replay is Replay.ASK:
        request = replace(request, headers={**request.headers, "X-Job-UUID": call_id})
    pauses = growing(limits.RETRY_FIRST_S, 2.0, limits.RETRY_LONGEST_S)
    accepted = Answer(202, json.dumps({"location": f"/api-jobs/{call_id}"}).encode("ascii"))
    attempt = 0
    while True:
        answer: Optional[Answer]
        try:
            answer = yield from send(within(pacing, request, deadline))
            if replay is Replay.ASK and _is_duplicate(answer):
                answer = accepted  # an earlier try did arrive
        except TransportError as lost:
            failure: LonghaulError = lost
            answer = accepted if replay is Replay.ASK and lost.sent else None
        if answer is not None:
            polled = answer.status == 202
            if polled:
                answer = yield from follow(pacing, call_id_of(answer), _authorization(request), deadline)
            try:
                if not (polled and answer.status == 404 and replay is Replay.ASK):
                    return result_of(answer)
                failure = TransportError(f"{request.method} {request.path}: the server knows nothing of it")
            except UnavailableError as refused:
                if polled and replay is Replay.ASK:
                    raise  # it was begun, and cut: whether it took effect is for the caller to look up
                failure = refused
        attempt += 1
        if attempt > pacing.retries:
            raise failure
        pause = next(pauses) * (0.5 + pacing.chance() / 2)
        yield from rest(pacing, pause, deadline, f"no answer after {pacing.call_timeout:g} s (call_timeout): {failure}")


def _authorization(request: Request) -> Dict[str, str]:
    return {name: value for name, value in request.headers.items() if name == "Authorization"}


def _is_duplicate(answer: Answer) -> bool:
    return answer.status == 400 and b"Duplicate job uuid" in answer.body

