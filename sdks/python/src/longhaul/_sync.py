"""Carries flows out, one step after the other, in the caller's thread. The counterpart of `aio`.

A transport does single steps: `client` has one on httpx, `actions` one on the standard library.
"""

from __future__ import annotations

from typing import Iterator, Protocol, TypeVar

from ._exchange import Done, Emit, Items, Outcome, Step, Steps, resume

T = TypeVar("T")
E = TypeVar("E")


class Transport(Protocol):
    """Does one step."""

    def do(self, step: Step) -> Outcome:
        """Sends, pauses or renews; a request that got no answer is the second of the pair, not raised."""


def run(flow: Steps[T], transport: Transport) -> T:
    """Carries `flow` out to its end."""
    step = resume(flow)
    while not isinstance(step, Done):
        step = resume(flow, transport.do(step))
    return step.value


def iterate(flow: Items[E], transport: Transport) -> Iterator[E]:
    """The items of `flow`; each step is taken when the next item is asked for."""
    step = resume(flow)
    while not isinstance(step, Done):
        if isinstance(step, Emit):
            yield step.item
            step = resume(flow)
        else:
            step = resume(flow, transport.do(step))
