"""Where the action classes call, and how long they wait: one `Config` for the process, or one per call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .. import limits
from .._exchange import Pacing


@dataclass(frozen=True)
class Config:
    """Where actions call and how long they wait. Frozen: `dataclasses.replace` makes a changed one."""

    host: str = "localhost"
    port: int = 8080
    #: What the server's paths begin with, before `/v1`.
    context_path: str = "/zstack"
    #: TLS, with the certificates that the system trusts.
    https: bool = False
    #: Seconds between two polls of a call at most; the first ones come sooner.
    poll_interval: float = limits.POLL_INTERVAL_S
    #: Seconds that one request may take.
    request_timeout: float = limits.REQUEST_TIMEOUT_S
    #: Seconds that a call may take with all its polls; then the error is `sdk.1001`.
    call_timeout: float = limits.CALL_TIMEOUT_S
    #: The session of actions that have no `sessionId` of their own. Not shown by `repr`.
    session_id: Optional[str] = field(default=None, repr=False)

    def pacing(self) -> Pacing:
        """The times as calls take them.

        Raises:
            ValueError: one of them is not more than 0.
        """
        return Pacing(self.request_timeout, self.call_timeout, self.poll_interval)

    @property
    def base_path(self) -> str:
        """Path of the API: `/zstack/v1`."""
        context = self.context_path.strip("/")
        return f"/{context}/v1" if context else "/v1"


_current = Config()


def configure(config: Config) -> None:
    """Makes `config` the one of all later calls that are given none of their own."""
    global _current
    config.pacing()
    _current = config


def current() -> Config:
    """The configuration of calls that are given none of their own."""
    return _current
