"""How a call is sent, polled and sent again: played through without a socket and with a clock of its own."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, TypeVar, Union

import pytest

from longhaul import errors, limits
from longhaul._exchange import (
    Answer, Done, Outcome, Pacing, Pause, Replay, Request, Steps, api_base, call, call_id_of, growing, resume,
)

T = TypeVar("T")
GET = Request("GET", "/longjobs")
PUT = Request("PUT", "/longjobs/x/actions", body={"rerunLongJob": {}}, headers={"Authorization": "OAuth s"})
LOST = errors.TransportError("reset")
REFUSED = errors.TransportError("refused", sent=False)
Scripted = Union[Answer, errors.TransportError]


def answer(status: int, body: Optional[Mapping[str, Any]] = None) -> Answer:
    return Answer(status, json.dumps(body or {}).encode())


def error(status: int, code: str, details: str = "d") -> Answer:
    return answer(status, {"error": {"code": code, "description": "x", "details": details}})


ACCEPTED = answer(202, {"location": "http://h:1/zstack/v1/api-jobs/c1"})


class Player:
    """Plays a flow with scripted answers; pauses move its clock."""

    def __init__(self, *script: Scripted, then: Optional[Scripted] = None, **pacing: Any) -> None:
        self.now = 0.0
        self.sent: List[Request] = []
        self.pauses: List[float] = []
        self._script, self._then = list(script), then
        self.pacing = Pacing(clock=lambda: self.now, chance=lambda: 1.0, **pacing)

    def play(self, flow: Steps[T]) -> T:
        step = resume(flow)
        while not isinstance(step, Done):
            outcome: Outcome = (None, None)
            if isinstance(step, Request):
                self.sent.append(step)
                scripted = self._script.pop(0) if self._script or self._then is None else self._then
                outcome = (scripted, None) if isinstance(scripted, Answer) else (None, scripted)
            elif isinstance(step, Pause):
                self.pauses.append(step.seconds)
                self.now += step.seconds
            step = resume(flow, outcome)
        assert not self._script, "every answer was asked for"
        return step.value

    def call(self, request: Request = GET, replay: Replay = Replay.RESEND) -> Dict[str, Any]:
        return self.play(call(self.pacing, request, replay))

    def paths(self) -> List[str]:
        return [request.path for request in self.sent]


def test_a_result_at_once_needs_no_poll() -> None:
    player = Player(answer(200, {"inventory": 1}))
    assert player.call() == {"inventory": 1}
    assert (player.paths(), player.pauses) == (["/longjobs"], [])


def test_an_accepted_call_is_polled_with_its_session_until_its_result() -> None:
    player = Player(ACCEPTED, answer(202), answer(202), answer(200, {"inventory": 1}))
    assert player.call(PUT) == {"inventory": 1}
    assert player.paths() == ["/longjobs/x/actions"] + ["/api-jobs/c1"] * 3
    assert player.sent[1].headers == {"Authorization": "OAuth s"}
    assert player.pauses == [0.05, 0.05 * 1.5, 0.05 * 1.5 * 1.5]


def test_a_poll_that_fails_raises_the_calls_error_whatever_the_status() -> None:
    with pytest.raises(errors.NotFoundError) as caught:
        Player(ACCEPTED, error(503, "SYS.1003")).call(PUT)
    assert caught.value.status == 503


def test_pauses_between_polls_grow_up_to_the_interval() -> None:
    player = Player(ACCEPTED, *[answer(202)] * 20, answer(200), poll_interval=0.4)
    player.call(PUT)
    assert player.pauses[-1] == 0.4 and max(player.pauses) == 0.4
    assert player.pauses == sorted(player.pauses)


def test_a_call_that_is_never_answered_ends_at_its_limit_and_names_it() -> None:
    player = Player(ACCEPTED, then=answer(202), call_timeout=10.0)
    with pytest.raises(errors.WaitTimeoutError, match=r"10 s \(call_timeout\)"):
        player.call(PUT)
    assert player.now == 10.0


def test_no_request_has_more_time_than_is_left_for_the_call() -> None:
    player = Player(ACCEPTED, then=answer(202), call_timeout=10.0, request_timeout=6.0)
    with pytest.raises(errors.WaitTimeoutError):
        player.call(PUT)
    assert player.sent[0].timeout == 6.0
    assert all(request.timeout <= 6.0 for request in player.sent) and player.sent[-1].timeout < 1.1


def test_lost_polls_are_sent_again_but_not_for_ever() -> None:
    assert Player(ACCEPTED, LOST, REFUSED, answer(202), LOST, answer(200, {"a": 1})).call(PUT) == {"a": 1}
    with pytest.raises(errors.TransportError):
        Player(ACCEPTED, *[LOST] * 3, retries=2).call(PUT)


@pytest.mark.parametrize("failure", [LOST, REFUSED, error(503, "SYS.1010"), error(503, "SYS.1012")])
def test_what_may_be_repeated_is_sent_again_with_growing_pauses(failure: Scripted) -> None:
    player = Player(failure, failure, failure, answer(200, {"a": 1}))
    assert player.call() == {"a": 1}
    assert player.pauses == [0.2, 0.4, 0.8]


def test_a_call_that_a_restart_cut_is_sent_again_if_it_may_be_repeated() -> None:
    player = Player(ACCEPTED, error(503, "SYS.1012"), answer(200, {"a": 1}))
    assert player.call(PUT) == {"a": 1}


@pytest.mark.parametrize("failure", [LOST, error(503, "SYS.1010")])
def test_retries_end_and_the_last_failure_is_raised(failure: Scripted) -> None:
    player = Player(*[failure] * 3, retries=2)
    with pytest.raises((errors.TransportError, errors.UnavailableError)):
        player.call()
    assert len(player.sent) == 3


@pytest.mark.parametrize("code", ["SYS.1000", "SYS.1006", "SYS.1007", "ID.1001"])
def test_other_errors_are_not_sent_again(code: str) -> None:
    with pytest.raises(errors.ApiError):
        Player(error(503, code)).call()


def test_a_lost_answer_is_asked_for_where_the_call_must_not_be_repeated() -> None:
    player = Player(LOST, answer(202), answer(200, {"inventory": 1}))
    assert player.call(PUT, Replay.ASK) == {"inventory": 1}
    sent = player.sent[0].headers["X-Job-UUID"]
    assert player.paths() == ["/longjobs/x/actions", f"/api-jobs/{sent}", f"/api-jobs/{sent}"]


def test_a_request_that_never_arrived_is_sent_again_under_the_same_id() -> None:
    player = Player(LOST, answer(404), ACCEPTED, answer(200, {"inventory": 1}))
    assert player.call(PUT, Replay.ASK) == {"inventory": 1}
    ids = [request.headers["X-Job-UUID"] for request in player.sent if request.method == "PUT"]
    assert len(ids) == 2 and len(set(ids)) == 1


def test_without_a_connection_there_is_nothing_to_ask_for() -> None:
    player = Player(REFUSED, ACCEPTED, answer(200, {"a": 1}))
    assert player.call(PUT, Replay.ASK) == {"a": 1}
    assert player.paths() == ["/longjobs/x/actions", "/longjobs/x/actions", "/api-jobs/c1"]


@pytest.mark.parametrize(
    "duplicate", [error(400, "SYS.1007", "Duplicate job uuid[x]"), Answer(400, b"Duplicate job uuid[x]")]
)
def test_a_repeated_id_leads_to_the_answer_of_the_first_try(duplicate: Answer) -> None:
    player = Player(LOST, answer(404), duplicate, answer(200, {"inventory": 1}))
    assert player.call(PUT, Replay.ASK) == {"inventory": 1}


def test_a_cut_call_that_must_not_be_repeated_is_told_to_the_caller() -> None:
    with pytest.raises(errors.UnavailableError):
        Player(ACCEPTED, error(503, "SYS.1012")).call(PUT, Replay.ASK)


def test_an_expired_poll_of_a_call_that_was_accepted_is_no_success() -> None:
    with pytest.raises(errors.UnexpectedAnswerError, match="404"):
        Player(ACCEPTED, Answer(404, b"the job has been expired")).call(PUT)


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b"[]", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_an_answer_that_is_none_of_the_api_is_quoted_up_to_a_limit(status: int, body: bytes) -> None:
    with pytest.raises(errors.UnexpectedAnswerError) as caught:
        Player(Answer(status, body)).call()
    assert caught.value.status == status
    assert len(str(caught.value)) < limits.QUOTED_MAX + 300


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1:8080/zstack/v1/api-jobs/abc",
        "https://other.example/v1/api-jobs/abc?x=1",
        "/v1/api-jobs/abc",
        "http://evil.example/zstack/v1/api-jobs/def/api-jobs/abc/",
    ],
)
def test_a_location_gives_only_its_last_segment(location: str) -> None:
    assert call_id_of(answer(202, {"location": location})) == "abc"


@pytest.mark.parametrize("body", [{}, {"location": 3}, {"location": "http://h/elsewhere"}])
def test_a_202_without_a_place_to_poll_is_an_error(body: Mapping[str, Any]) -> None:
    with pytest.raises(errors.UnexpectedAnswerError, match="202"):
        call_id_of(answer(202, body))


def test_a_location_cannot_lead_a_poll_to_another_path() -> None:
    player = Player(answer(202, {"location": "http://h/api-jobs/..%2F..?"}), answer(200))
    player.call(PUT)
    assert player.sent[1].path == "/api-jobs/..%252F.."


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://h:8080", "http://h:8080/zstack/v1"),
        ("http://h:8080/", "http://h:8080/zstack/v1"),
        ("https://h/zstack", "https://h/zstack/v1"),
        ("https://h/zstack/v1/", "https://h/zstack/v1"),
        ("http://h/v1", "http://h/v1"),
        ("http://[::1]:8080", "http://[::1]:8080/zstack/v1"),
    ],
)
def test_the_address_is_completed_to_the_api(url: str, base: str) -> None:
    assert api_base(url) == base


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://h", "http://", "http://h?x=1", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        api_base(url)


def test_queries_are_escaped_so_that_they_arrive_as_typed() -> None:
    request = Request("GET", "/longjobs", query=(("q", "name~=a b%&+/"), ("sort", "+uuid")))
    assert request.target == "/longjobs?q=name~%3Da%20b%25%26%2B%2F&sort=%2Buuid"


@pytest.mark.parametrize("name", ["request_timeout", "call_timeout", "poll_interval"])
def test_no_wait_is_without_a_limit(name: str) -> None:
    for value in (0, -1, float("nan")):
        arguments: Dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=name):
            Pacing(**arguments)


def test_growing_pauses_stay_below_the_longest() -> None:
    pauses = growing(1, 2, 5)
    assert [next(pauses) for _ in range(5)] == [1, 2, 4, 5, 5]
