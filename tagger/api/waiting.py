"""Waiting for a job to end: one poller of the ledger for all requests that wait.

The worker is another process, often on another machine, and the ledger is the one place that both see; a message from worker
to API could be lost, a row cannot. While anything waits, one query each 25 ms reads the states of all jobs waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.concurrency import run_in_threadpool

from tagger.errors import TaggerError
from tagger.job import JobStatus

POLL_SECONDS = 0.025
PENDING: frozenset[JobStatus] = frozenset({"accepted", "running"})

ReadStatuses = Callable[[Sequence[str]], dict[str, JobStatus]]


class Waiter:
    def __init__(self, read: ReadStatuses) -> None:
        self._read = read
        self._waiting: dict[str, set[asyncio.Future[JobStatus]]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def wait(self, job_id: str, seconds: float) -> JobStatus | None:
        """The job's state once it is neither accepted nor running; None when `seconds` passed first.

        Errors: LedgerUnavailable.
        """
        future: asyncio.Future[JobStatus] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return None
        finally:
            self._forget(job_id, future)

    def _forget(self, job_id: str, future: asyncio.Future[JobStatus]) -> None:
        futures = self._waiting.get(job_id, set())
        futures.discard(future)
        if not futures:
            self._waiting.pop(job_id, None)

    async def _poll(self) -> None:
        while self._waiting:
            try:
                states = await run_in_threadpool(self._read, tuple(self._waiting))
            except TaggerError as err:
                for job_id in tuple(self._waiting):
                    self._answer(job_id, err)
                return
            for job_id, state in states.items():
                if state not in PENDING:
                    self._answer(job_id, state)
            await asyncio.sleep(POLL_SECONDS)

    def _answer(self, job_id: str, answer: JobStatus | TaggerError) -> None:
        for future in self._waiting.pop(job_id, set()):
            if future.done():
                continue
            if isinstance(answer, TaggerError):
                future.set_exception(answer)
            else:
                future.set_result(answer)
