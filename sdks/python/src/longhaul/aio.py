"""`AsyncLonghaul`: the modern client for asyncio, on httpx. The same calls as `client`, with the same meaning:
what each argument does is told there.

What a call sends and reads is in `_flows`, how it is repeated and polled in `_exchange`; here are only the names
that programs use and the transport.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from types import TracebackType
from typing import Any, AsyncIterator, Mapping, Optional, Sequence, Type, TypeVar, Union

import httpx

from . import _flows as flows
from . import limits
from ._exchange import (
    Answer, Done, Emit, Items, Outcome, Pacing, Pause, Renew, Replay, Request, Step, Steps, api_base, resume,
)
from ._flows import Access, Core
from ._httpx import Address, Body, lost, too_slow
from .errors import LonghaulError, TransportError
from .models import Job, JsonObject, Progress, Session, Storage, Volume

T = TypeVar("T")
E = TypeVar("E")


class _Transport:
    """Steps on httpx and asyncio, and the carrying out of flows; the counterpart of `_sync`."""

    def __init__(self, address: Address, http: httpx.AsyncClient, core: Core) -> None:
        self._address, self._http, self._core = address, http, core
        self._login: Optional[asyncio.Lock] = None

    async def run(self, flow: Steps[T]) -> T:
        """Carries `flow` out to its end."""
        step = resume(flow)
        while not isinstance(step, Done):
            step = resume(flow, await self._do(step))
        return step.value

    async def iterate(self, flow: Items[E]) -> AsyncIterator[E]:
        """The items of `flow`; each step is taken when the next item is asked for."""
        step = resume(flow)
        while not isinstance(step, Done):
            if isinstance(step, Emit):
                yield step.item
                step = resume(flow)
            else:
                step = resume(flow, await self._do(step))

    async def _do(self, step: Step) -> Outcome:
        if isinstance(step, Request):
            try:
                return await asyncio.wait_for(self._send(step), step.timeout), None
            except TransportError as failure:
                return None, failure
            except asyncio.TimeoutError:
                return None, too_slow(step)
            except httpx.RequestError as failure:
                return None, lost(step, failure)
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        else:
            await self._renew(step)
        return None, None

    async def _send(self, request: Request) -> Answer:
        body = Body()
        async with self._http.stream(**self._address.arguments(request)) as response:
            async for part in response.aiter_bytes():
                body.add(part)
            return Answer(response.status_code, body.bytes())

    async def _renew(self, step: Renew) -> None:
        # Made at the first need: up to Python 3.9 a lock belongs to the loop that runs when it is made.
        self._login = self._login or asyncio.Lock()
        async with self._login:
            if self._core.access.token in (None, step.stale):
                await self.run(flows.login(self._core))


@dataclass(frozen=True)
class AsyncLongJob(Job):
    """`client.LongJob` for asyncio."""

    _jobs: AsyncJobs = field(repr=False, compare=False)

    async def refresh(self) -> AsyncLongJob:
        """The job as it is now."""
        return await self._jobs.get(self.uuid)

    async def wait(
        self,
        timeout: float = limits.JOB_TIMEOUT_S,
        interval: float = limits.JOB_INTERVAL_S,
        check: bool = True,
    ) -> AsyncLongJob:
        """`AsyncJobs.wait` for this job."""
        return await self._jobs.wait(self.uuid, timeout, interval, check)

    def progress(
        self, timeout: float = limits.JOB_TIMEOUT_S, interval: float = limits.JOB_INTERVAL_S
    ) -> AsyncIterator[Progress]:
        """`AsyncJobs.progress` of this job."""
        return self._jobs.progress(self.uuid, timeout, interval)

    async def update(self, name: Optional[str] = None, description: Optional[str] = None) -> AsyncLongJob:
        """`AsyncJobs.update` for this job."""
        return await self._jobs.update(self.uuid, name, description)

    async def cancel(self) -> None:
        """`AsyncJobs.cancel` for this job."""
        await self._jobs.cancel(self.uuid)

    async def rerun(self) -> AsyncLongJob:
        """`AsyncJobs.rerun` for this job."""
        return await self._jobs.rerun(self.uuid)

    async def resume(self) -> AsyncLongJob:
        """`AsyncJobs.resume` for this job."""
        return await self._jobs.resume(self.uuid)

    async def clean(self) -> None:
        """`AsyncJobs.clean` for this job."""
        await self._jobs.clean(self.uuid)

    async def delete(self) -> None:
        """`AsyncJobs.delete` for this job."""
        await self._jobs.delete(self.uuid)


class AsyncJobs:
    """Long jobs: `client.jobs`. The methods are those of `client.Jobs`."""

    def __init__(self, core: Core, transport: _Transport) -> None:
        self._core, self._transport = core, transport

    def _make(self, row: JsonObject) -> AsyncLongJob:
        return AsyncLongJob(**Job.fields_of(row, self._core.zone), _jobs=self)

    async def submit(
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
    ) -> AsyncLongJob:
        """Submits a job of the type `job_name`; answers when it is stored, not when it is done."""
        return await self._transport.run(
            flows.submit(
                self._core, self._make, job_name, data, name, description, target, uuid, system_tags, user_tags
            )
        )

    async def get(self, uuid: str) -> AsyncLongJob:
        """The job with this uuid; `NotFoundError` if there is none."""
        return await self._transport.run(flows.get(self._core, "/longjobs", "job", uuid, self._make))

    def query(
        self,
        *conditions: str,
        sort: Optional[str] = None,
        limit: Optional[int] = None,
        page_size: int = limits.PAGE_SIZE,
    ) -> AsyncIterator[AsyncLongJob]:
        """The jobs that meet all conditions, fetched page by page while you iterate with `async for`."""
        rows = flows.query(self._core, "/longjobs", self._make, conditions, sort, limit, page_size)
        return self._transport.iterate(rows)

    async def count(self, *conditions: str) -> int:
        """How many jobs meet all conditions."""
        return await self._transport.run(flows.count(self._core, "/longjobs", conditions))

    async def wait(
        self,
        uuid: str,
        timeout: float = limits.JOB_TIMEOUT_S,
        interval: float = limits.JOB_INTERVAL_S,
        check: bool = True,
    ) -> AsyncLongJob:
        """Waits until the job is final or suspended and answers it as it is then."""
        return await self._transport.run(flows.wait(self._core, self._make, uuid, timeout, interval, check))

    def progress(
        self, uuid: str, timeout: float = limits.JOB_TIMEOUT_S, interval: float = limits.JOB_INTERVAL_S
    ) -> AsyncIterator[Progress]:
        """The job's progress whenever it has changed, until the job is final or suspended."""
        return self._transport.iterate(flows.progress(self._core, uuid, timeout, interval))

    async def update(
        self, uuid: str, name: Optional[str] = None, description: Optional[str] = None
    ) -> AsyncLongJob:
        """Changes name or description, in any state; `None` leaves a value as it is."""
        params = {"name": name, "description": description}
        return await self._act(uuid, "updateLongJob", Replay.RESEND, params)

    async def cancel(self, uuid: str) -> None:
        """Asks the job to stop; it is Canceling until its body has. A canceled one stays as it is."""
        await self._transport.run(flows.act_only(self._core, uuid, "cancelLongJob", Replay.RESEND))

    async def rerun(self, uuid: str) -> AsyncLongJob:
        """Runs a final job afresh under its uuid."""
        return await self._act(uuid, "rerunLongJob", Replay.ASK, {})

    async def resume(self, uuid: str) -> AsyncLongJob:
        """Lets a suspended job go on from its checkpoint."""
        return await self._act(uuid, "resumeLongJob", Replay.ASK, {})

    async def clean(self, uuid: str) -> None:
        """Removes what a Canceling job left behind, which ends it."""
        await self._transport.run(flows.act_only(self._core, uuid, "cleanLongJob", Replay.ASK))

    async def delete(self, uuid: str) -> None:
        """Deletes a final job; one that is not there is no error."""
        await self._transport.run(flows.delete_job(self._core, uuid))

    async def _act(
        self, uuid: str, action: str, replay: Replay, params: Mapping[str, Optional[str]]
    ) -> AsyncLongJob:
        flow = flows.act_on_job(self._core, self._make, uuid, action, replay, params)
        return await self._transport.run(flow)


class AsyncStorages:
    """Primary storages: `client.storages`."""

    def __init__(self, core: Core, transport: _Transport) -> None:
        self._core, self._transport = core, transport

    def _make(self, row: JsonObject) -> Storage:
        return Storage.from_wire(row, self._core.zone)

    def list(self, *conditions: str, page_size: int = limits.PAGE_SIZE) -> AsyncIterator[Storage]:
        """The storages that meet all conditions, in the order of uuid."""
        rows = flows.query(self._core, "/primary-storage", self._make, conditions, None, None, page_size)
        return self._transport.iterate(rows)


class AsyncVolumes:
    """Volumes: `client.volumes`."""

    def __init__(self, core: Core, transport: _Transport, jobs: AsyncJobs) -> None:
        self._core, self._transport, self._jobs = core, transport, jobs

    def _make(self, row: JsonObject) -> Volume:
        return Volume.from_wire(row, self._core.zone)

    async def get(self, uuid: str) -> Volume:
        """The volume with this uuid; `NotFoundError` if there is none."""
        return await self._transport.run(flows.get(self._core, "/volumes", "volume", uuid, self._make))

    def list(self, *conditions: str, page_size: int = limits.PAGE_SIZE) -> AsyncIterator[Volume]:
        """The volumes that meet all conditions, in the order of uuid."""
        rows = flows.query(self._core, "/volumes", self._make, conditions, None, None, page_size)
        return self._transport.iterate(rows)

    async def migrate(
        self, uuid: str, to: str, *, name: Optional[str] = None, job: Optional[str] = None
    ) -> AsyncLongJob:
        """Submits the long job that moves a volume to the storage `to`; it outlives this program."""
        data = {"volumeUuid": uuid, "dstPrimaryStorageUuid": to}
        return await self._jobs.submit(flows.MIGRATE_VOLUME, data, name=name, target=uuid, uuid=job)


class AsyncLonghaul:
    """`client.Longhaul` for asyncio: the same arguments. Use it in an `async with`, or `close` it. Tasks of one
    event loop may share it."""

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
        http: Optional[httpx.AsyncClient] = None,
    ) -> None:
        pacing = Pacing(request_timeout, call_timeout, poll_interval, retries)
        self._core = Core(Access(token, account, password), pacing, server_zone)
        address = Address(api_base(url))
        client = httpx.AsyncClient() if http is None else http
        self._owned = client if http is None else None
        self._transport = _Transport(address, client, self._core)
        self.jobs = AsyncJobs(self._core, self._transport)
        self.storages = AsyncStorages(self._core, self._transport)
        self.volumes = AsyncVolumes(self._core, self._transport, self.jobs)

    async def login(self) -> Session:
        """Opens a session now, and makes it the client's. Otherwise the first call does."""
        return await self._transport.run(flows.login(self._core))

    async def logout(self) -> None:
        """Ends the sessions that this client opened; a given token is forgotten, not ended."""
        await self._transport.run(flows.logout(self._core))

    async def close(self) -> None:
        """Logs out, as far as the server can be reached, and closes the connections."""
        try:
            with suppress(LonghaulError):
                await self.logout()
        finally:
            if self._owned is not None:
                await self._owned.aclose()

    async def __aenter__(self) -> AsyncLonghaul:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()
