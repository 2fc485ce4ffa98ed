"""Requests on the standard library: one connection per request, no redirects, a limit on time and size."""

from __future__ import annotations

import http.client
import time
from typing import List

from .. import limits
from .._exchange import Answer, Outcome, Pause, Request, Step
from ..errors import TransportError
from .config import Config

_PIECE_BYTES = 64 * 1024


class HttpTransport:
    """Does the steps of one call."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def do(self, step: Step) -> Outcome:
        """Sends or pauses. There is no login to renew here: a session is the caller's."""
        if isinstance(step, Pause):
            time.sleep(step.seconds)
        elif isinstance(step, Request):
            try:
                return self._send(step), None
            except TransportError as lost:
                return None, lost
        return None, None

    def _send(self, request: Request) -> Answer:
        config = self._config
        kind = http.client.HTTPSConnection if config.https else http.client.HTTPConnection
        connection = kind(config.host, config.port, timeout=request.timeout)
        where = f"{request.method} http{'s' if config.https else ''}://{config.host}:{config.port}{request.path}"
        deadline = time.monotonic() + request.timeout
        try:
            try:
                connection.connect()
            except OSError as refused:
                raise TransportError(f"{where}: no connection: {refused}", sent=False) from refused
            try:
                target = config.base_path + request.target
                headers = {**request.all_headers, "Connection": "close"}
                connection.request(request.method, target, request.content, headers)
                response = connection.getresponse()
                return Answer(response.status, _body(response, deadline, where, request.timeout))
            except (OSError, http.client.HTTPException) as lost:
                said = str(lost) or type(lost).__name__
                raise TransportError(f"{where}: no answer: {said}") from lost
        finally:
            connection.close()


def _body(response: http.client.HTTPResponse, deadline: float, where: str, seconds: float) -> bytes:
    pieces: List[bytes] = []
    size = 0
    while True:
        piece = response.read1(_PIECE_BYTES)
        if not piece:
            if response.length:
                raise TransportError(f"{where}: the answer ends {response.length} bytes too early")
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > limits.ANSWER_MAX_BYTES:
            raise TransportError(
                f"{where}: the answer is larger than {limits.ANSWER_MAX_BYTES} bytes (ANSWER_MAX_BYTES): ask for "
                "less, as with a smaller limit"
            )
        if time.monotonic() > deadline:
            raise TransportError(f"{where}: no whole answer in {seconds:g} s (request_timeout)")
