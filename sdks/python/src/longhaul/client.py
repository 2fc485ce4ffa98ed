"""`Longhaul`: the modern client, in the caller's thread, on httpx. `aio` has the same for asyncio.

What a call sends and reads is in `_flows`, how it is repeated and polled in `_exchange`; here are only the names
that programs use and the transport.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Iterator, Mapping, Optional, Sequence, Type, Union
from types import TracebackType

import httpx

from . import _flows as flows
from . import limits
from ._exchange import Answer, Outcome, Pacing, Pause, Renew, Replay, Request, Step, api_base
from ._flows import Access, Core
from ._httpx import Address, Body, lost, too_slow
from ._sync import iterate, run
from .errors import LonghaulError, TransportError
from .models import Job, JsonObject, Progress, Session, Storage, Volume


class _Transport:
    """Steps on httpx."""

    def __init__(self, address: Address, http: httpx.Client, core: Core) -> None:
        self._address, self._http, self._core = address, http, core
        self._login = threading.Lock()

    def do(self, step: Step) -> Outcome:
        if isinstance(step, Request):
            try:
                return self._send(step), None
            except TransportError as failure:
                return None, failure
            except httpx.RequestError as failure:
                return None, lost(step, failure)
        if isinstance(step, Pause):
            time.sleep(step.seconds)
        else:
            self._renew(step)
        return None, None

    def _send(self, request: Request) -> Answer:
        deadline = time.monotonic() + request.timeout
        body = Body()
        with self._http.stream(**self._address.arguments(request)) as response:
            for part in response.iter_bytes():
                body.add(part)
                if time.monotonic() > deadline:
                    raise too_slow(request)
            return Answer(response.status_code, body.bytes())

    def _renew(self, step: Renew) -> None:
        with self._login:
            if self._core.access.token in (None, step.stale):
                run(flows.login(self._core), self)


@dataclass(frozen=True)
class LongJob(Job):
    """A job as it was when it was asked for, with what can be done to it. It does not change: each method that
    learns something newer answers a new one."""

    _jobs: Jobs = field(repr=False, compare=False)

    def refresh(self) -> LongJob:
        """The job as it is now."""
        return self._jobs.get(self.uuid)

    def wait(
        self,
        timeout: float = limits.JOB_TIMEOUT_S,
        interval: float = limits.JOB_INTERVAL_S,
        check: bool = True,
    ) -> LongJob:
        """`Jobs.wait` for this job."""
        return self._jobs.wait(self.uuid, timeout, interval, check)

    def progress(
        self, timeout: float = limits.JOB_TIMEOUT_S, interval: float = limits.JOB_INTERVAL_S
    ) -> Iterator[Progress]:
        """`Jobs.progress` of this job."""
        return self._jobs.progress(self.uuid, timeout, interval)

    def update(self, name: Optional[str] = None, description: Optional[str] = None) -> LongJob:
        """`Jobs.update` for this job."""
        return self._jobs.update(self.uuid, name, description)

    def cancel(self) -> None:
        """`Jobs.cancel` for this job."""
        self._jobs.cancel(self.uuid)

    def rerun(self) -> LongJob:
        """`Jobs.rerun` for this job."""
        return self._jobs.rerun(self.uuid)

    def resume(self) -> LongJob:
        """`Jobs.resume` for this job."""
        return self._jobs.resume(self.uuid)

    def clean(self) -> None:
        """`Jobs.clean` for this job."""
        self._jobs.clean(self.uuid)

    def delete(self) -> None:
        """`Jobs.delete` for this job."""
        self._jobs.delete(self.uuid)


class Jobs:
    """Long jobs: `client.jobs`. Every method raises `LonghaulError`s; see `longhaul.errors`."""

    def __init__(self, core: Core, transport: _Transport) -> None:
        self._core, self._transport = core, transport

    def _make(self, row: JsonObject) -> LongJob:
        return LongJob(**Job.fields_of(row, self._core.zone), _jobs=self)

    def submit(
        self,
        job_name: str,
        data: Union[str, Mapping[str, Any], None] = None,
        *,
        name: Optional[str] = None,
        description: Optional[str] = None,
        target: Optional[str] = None,
        uuid: Optional[str] = None,
        system_tags: Sequence[str] = (),
        user_tags: Sequence[str] = (),
    ) -> LongJob:
        """Submits a job of the type `job_name`; answers when it is stored, not when it is done.

        Args:
            data: the request of the job type, as a mapping or as JSON text; nothing means `{}`.
            target: the uuid of the resource that the job works on.
            uuid: the job's uuid, a UUID without dashes. Give the same one and the same values again and you get
                the same job, also after your own process was restarted. Absent: a fresh one, so that this call
                can be sent again safely if its answer is lost.
        """
        return run(
            flows.submit(
                self._core, self._make, job_name, data, name, description, target, uuid, system_tags, user_tags
            ),
            self._transport,
        )

    def get(self, uuid: str) -> LongJob:
        """The job with this uuid; `NotFoundError` if there is none."""
        return run(flows.get(self._core, "/longjobs", "job", uuid, self._make), self._transport)

    def query(
        self,
        *conditions: str,
        sort: Optional[str] = None,
        limit: Optional[int] = None,
        page_size: int = limits.PAGE_SIZE,
    ) -> Iterator[LongJob]:
        """The jobs that meet all conditions, fetched page by page while you iterate.

        Args:
            conditions: `state=Running`, `state?=Failed,Canceled`, `name~=%db%`, `createDate>2026-01-31 00:00:00`.
            sort: `-createDate` is newest first. Absent: by uuid, the order in which no job that stays is missed
                and none comes twice, however many are submitted and deleted meanwhile.
            limit: at most so many; absent: all.
        """
        rows = flows.query(self._core, "/longjobs", self._make, conditions, sort, limit, page_size)
        return iterate(rows, self._transport)

    def count(self, *conditions: str) -> int:
        """How many jobs meet all conditions."""
        return run(flows.count(self._core, "/longjobs", conditions), self._transport)

    def wait(
        self,
        uuid: str,
        timeout: float = limits.JOB_TIMEOUT_S,
        interval: float = limits.JOB_INTERVAL_S,
        check: bool = True,
    ) -> LongJob:
        """Waits until the job is final or suspended and answers it as it is then.

        Args:
            timeout: seconds, then `WaitTimeoutError`; the job goes on.
            interval: seconds between two looks at most; the first ones come sooner.
            check: raise `JobFailedError`, `JobCanceledError` or `JobSuspendedError` unless it succeeded.
        """
        return run(flows.wait(self._core, self._make, uuid, timeout, interval, check), self._transport)

    def progress(
        self, uuid: str, timeout: float = limits.JOB_TIMEOUT_S, interval: float = limits.JOB_INTERVAL_S
    ) -> Iterator[Progress]:
        """The job's progress whenever it has changed, until the job is final or suspended. How it ended: `wait`."""
        return iterate(flows.progress(self._core, uuid, timeout, interval), self._transport)

    def update(self, uuid: str, name: Optional[str] = None, description: Optional[str] = None) -> LongJob:
        """Changes name or description, in any state; `None` leaves a value as it is."""
        params = {"name": name, "description": description}
        return self._act(uuid, "updateLongJob", Replay.RESEND, params)

    def cancel(self, uuid: str) -> None:
        """Asks the job to stop; it is Canceling until its body has. A canceled one stays as it is."""
        run(flows.act_only(self._core, uuid, "cancelLongJob", Replay.RESEND), self._transport)

    def rerun(self, uuid: str) -> LongJob:
        """Runs a final job afresh under its uuid."""
        return self._act(uuid, "rerunLongJob", Replay.ASK, {})

    def resume(self, uuid: str) -> LongJob:
        """Lets a suspended job go on from its checkpoint."""
        return self._act(uuid, "resumeLongJob", Replay.ASK, {})

    def clean(self, uuid: str) -> None:
        """Removes what a Canceling job left behind, which ends it."""
        run(flows.act_only(self._core, uuid, "cleanLongJob", Replay.ASK), self._transport)

    def delete(self, uuid: str) -> None:
        """Deletes a final job; one that is not there is no error."""
        run(flows.delete_job(self._core, uuid), self._transport)

    def _act(self, uuid: str, action: str, replay: Replay, params: Mapping[str, Optional[str]]) -> LongJob:
        return run(flows.act_on_job(self._core, self._make, uuid, action, replay, params), self._transport)


class Storages:
    """Primary storages: `client.storages`."""

    def __init__(self, core: Core, transport: _Transport) -> None:
        self._core, self._transport = core, transport

    def _make(self, row: JsonObject) -> Storage:
        return Storage.from_wire(row, self._core.zone)

    def list(self, *conditions: str, page_size: int = limits.PAGE_SIZE) -> Iterator[Storage]:
        """The storages that meet all conditions, in the order of uuid."""
        rows = flows.query(self._core, "/primary-storage", self._make, conditions, None, None, page_size)
        return iterate(rows, self._transport)


class Volumes:
    """Volumes: `client.volumes`."""

    def __init__(self, core: Core, transport: _Transport, jobs: Jobs) -> None:
        self._core, self._transport, self._jobs = core, transport, jobs

    def _make(self, row: JsonObject) -> Volume:
        return Volume.from_wire(row, self._core.zone)

    def get(self, uuid: str) -> Volume:
        """The volume with this uuid; `NotFoundError` if there is none."""
        return run(flows.get(self._core, "/volumes", "volume", uuid, self._make), self._transport)

    def list(self, *conditions: str, page_size: int = limits.PAGE_SIZE) -> Iterator[Volume]:
        """The volumes that meet all conditions, in the order of uuid."""
        rows = flows.query(self._core, "/volumes", self._make, conditions, None, None, page_size)
        return iterate(rows, self._transport)

    def migrate(self, uuid: str, to: str, *, name: Optional[str] = None, job: Optional[str] = None) -> LongJob:
        """Submits the long job that moves a volume to the storage `to`; it outlives this program.

        Args:
            name: the job's name.
            job: the job's uuid, as `uuid` of `Jobs.submit`.
        """
        data = {"volumeUuid": uuid, "dstPrimaryStorageUuid": to}
        return self._jobs.submit(flows.MIGRATE_VOLUME, data, name=name, target=uuid, uuid=job)


class Longhaul:
    """A client of one server. Threads may share it. Use it in a `with`, or `close` it.

    Args:
        url: `http://host:8080`; ZStack's context path `/zstack` is added where there is no path.
        token: a session's uuid; it is used and never ended.
        account, password: logs in when a call needs it, and again when the session has expired; `close` logs
            out. The password is given in clear and leaves this process only as its SHA-512.
        request_timeout, call_timeout, poll_interval, retries: see `longhaul.limits`.
        server_zone: the zone of moments that the server writes without one (profile `zstack`); absent: such
            moments are naive, in the server's local time.
        http: a client of your own, for certificates, proxies and the like; it is not closed here.
    """

    def __init__(
        self,
        url: str = "http://localhost:8080",
        *,
        token: Optional[str] = None,
        account: Optional[str] = None,
        password: Optional[str] = None,
        request_timeout: float = limits.REQUEST_TIMEOUT_S,
        call_timeout: float = limits.CALL_TIMEOUT_S,
        poll_interval: float = limits.POLL_INTERVAL_S,
        retries: int = limits.RETRIES,
        server_zone: Optional[tzinfo] = None,
        http: Optional[httpx.Client] = None,
    ) -> None:
        pacing = Pacing(request_timeout, call_timeout, poll_interval, retries)
        self._core = Core(Access(token, account, password), pacing, server_zone)
        address = Address(api_base(url))
        client = httpx.Client() if http is None else http
        self._owned = client if http is None else None
        self._transport = _Transport(address, client, self._core)
        self.jobs = Jobs(self._core, self._transport)
        self.storages = Storages(self._core, self._transport)
        self.volumes = Volumes(self._core, self._transport, self.jobs)

    def login(self) -> Session:
        """Opens a session now, and makes it the client's. Otherwise the first call does."""
        return run(flows.login(self._core), self._transport)

    def logout(self) -> None:
        """Ends the sessions that this client opened; a given token is forgotten, not ended."""
        run(flows.logout(self._core), self._transport)

    def close(self) -> None:
        """Logs out, as far as the server can be reached, and closes the connections."""
        try:
            with suppress(LonghaulError):
                self.logout()
        finally:
            if self._owned is not None:
                self._owned.close()

    def __enter__(self) -> Longhaul:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()
