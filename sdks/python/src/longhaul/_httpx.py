"""What `client` and `aio` share about httpx: requests, limits on answers, and which failure means what."""

from __future__ import annotations

from typing import Any, Dict, List

import httpx

from . import limits
from ._exchange import Request
from .errors import TransportError


class Address:
    """Where requests go."""

    def __init__(self, base: str) -> None:
        self._base = base

    def arguments(self, request: Request) -> Dict[str, Any]:
        """The arguments of httpx's `stream` for `request`."""
        return {
            "method": request.method,
            "url": self._base + request.target,
            "content": request.content,
            "headers": request.all_headers,
            "timeout": httpx.Timeout(request.timeout),
            "follow_redirects": False,
        }


class Body:
    """The bytes of an answer as they come in, up to the limit."""

    def __init__(self) -> None:
        self._parts: List[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Takes the next part; `TransportError` once the answer is too large."""
        self._size += len(part)
        if self._size > limits.ANSWER_MAX_BYTES:
            raise TransportError(
                f"the answer is larger than {limits.ANSWER_MAX_BYTES} bytes (ANSWER_MAX_BYTES): ask for less, "
                "as with a smaller page_size"
            )
        self._parts.append(part)

    def bytes(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)


def lost(request: Request, failure: Exception) -> TransportError:
    """The failure of `request` as this client's error."""
    never_sent = isinstance(failure, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    what = str(failure) or type(failure).__name__
    return TransportError(f"{request.method} {request.path}: no answer: {what}", sent=not never_sent)


def too_slow(request: Request) -> TransportError:
    """The error of a request that took longer than it may."""
    return TransportError(f"{request.method} {request.path}: no answer in {request.timeout:g} s (request_timeout)")
