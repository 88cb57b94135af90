"""Another application on the same Redis database: plain arq with all of its defaults, `arq:queue` among them.

`python -m tests.chaos.foreign_app URL DONE` is its worker; DONE gets the id of each job that it ran.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import default_queue_name, job_key_prefix
from arq.worker import Worker, func
from msgspec import Struct
from redis.exceptions import RedisError

from tests.launcher.running import ROOT, environment
from tests.leash import leashed
from tests.until import until

FUNCTION = "send_invoice"
_UP_S, _DOWN_S = 4.0, 4.0
_STARTS_WITHIN_S = 30.0
_EVERY_S = 0.05
_TROUBLED = re.compile(r"deserializing|not found|expired|max \d+ retries")
"""Messages that arq logs about jobs that it cannot run."""


class ForeignAudit(Struct, frozen=True):
    """The results of the application's jobs."""

    enqueued: int
    ran: int
    lost: list[str]
    """Ids of jobs that were not run and are not queued."""

    troubled: list[str]
    """Log lines of its worker about jobs that are not its own or that it could not read."""

    def faults(self) -> list[str]:
        faults = {
            f"{len(self.lost)} jobs of the arq app lost: {self.lost[:5]}": self.lost,
            f"the arq app met jobs that it cannot run: {self.troubled[:3]}": self.troubled,
            "the arq app ran nothing": not self.ran,
        }
        return [words for words, holds in faults.items() if holds]


class ForeignApp:
    """The jobs of the application, and its worker, which is started and stopped repeatedly."""

    def __init__(self, redis_url: str, directory: Path) -> None:
        self._url = redis_url
        self._done = directory / "foreign-done"
        self._done.touch()
        self._log = directory / "foreign-log"
        self._worker: subprocess.Popen[bytes] | None = None
        self._pool: ArqRedis | None = None
        self._enqueued: list[str] = []

    async def enqueue(self, job_id: str) -> None:
        """Enqueue a job; return when Redis has it, with retries while Redis is away."""
        while True:
            try:
                self._pool = self._pool or await create_pool(RedisSettings.from_dsn(self._url))
                await self._pool.enqueue_job(FUNCTION, job_id, _job_id=job_id)
                break
            except (RedisError, OSError):
                await asyncio.sleep(0.2)
        self._enqueued.append(job_id)

    async def run(self) -> None:
        """Enqueue jobs and start and stop the worker repeatedly, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_enqueuing())
            group.create_task(self._come_and_go())

    async def _keep_enqueuing(self) -> None:
        for number in count(1):
            # Hookline reads the number of notifications from the end of its own job ids, which look like these.
            await self.enqueue(f"invoice-2026.{number}" if number % 2 else f"invoice-{number}")
            await asyncio.sleep(_EVERY_S)

    async def _come_and_go(self) -> None:
        for turn in count():
            await self._start_and_run_some()
            await asyncio.sleep(_UP_S)
            await asyncio.to_thread(self.end, signal.SIGKILL if turn % 2 else signal.SIGTERM)
            await asyncio.sleep(_DOWN_S)

    async def _start_and_run_some(self) -> None:
        """Return when the worker has run jobs: a busy machine is slow to start it, and Redis may be away."""
        before = len(self.ran())
        self.start()
        with suppress(AssertionError):
            await until(lambda: len(self.ran()) > before or not self.is_up(), seconds=_STARTS_WITHIN_S)

    def is_up(self) -> bool:
        """Return True while the worker runs: a worker of arq ends by itself when Redis is away."""
        return self._worker is not None and self._worker.poll() is None

    def start(self) -> None:
        """Start the worker of the application."""
        command = [sys.executable, "-m", "tests.chaos.foreign_app", self._url, str(self._done)]
        with self._log.open("ab") as log:
            self._worker = subprocess.Popen(leashed(command), cwd=ROOT, env=environment(), stdout=log, stderr=log)

    def end(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """End the worker, if it has not ended by itself."""
        if self._worker is None:
            return
        self._worker.send_signal(signum)
        try:
            self._worker.wait(timeout=10)
        except subprocess.TimeoutExpired:  # the worker waits for Redis
            self._worker.kill()
            self._worker.wait()
        self._worker = None

    async def close(self) -> None:
        self.end()
        if self._pool:
            with suppress(RedisError, OSError):
                await self._pool.aclose(close_connection_pool=True)

    def ran(self) -> set[str]:
        """Return the ids of the jobs that the worker ran."""
        return set(self._done.read_text().split())

    async def audit(self) -> ForeignAudit:
        """Check all jobs that Redis ever had. Ends the worker first, so that no job changes during the check."""
        assert self._pool is not None
        self.end()
        ran = self.ran()
        lost = [job_id for job_id in self._enqueued if job_id not in ran and not await self._is_queued(job_id)]
        log = self._log.read_text() if self._log.exists() else ""
        troubled = [line for line in log.splitlines() if _TROUBLED.search(line)]
        return ForeignAudit(len(self._enqueued), len(ran), lost, troubled)

    async def _is_queued(self, job_id: str) -> bool:
        assert self._pool is not None
        has_place = await self._pool.zscore(default_queue_name, job_id) is not None
        return has_place and bool(await self._pool.exists(job_key_prefix + job_id))


def _work(url: str, done: str) -> None:
    file = os.open(done, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def send_invoice(ctx: dict[str, Any], _number: str) -> None:
        os.write(file, f"{ctx['job_id']}\n".encode())

    logging.basicConfig(level=logging.WARNING)
    Worker(functions=[func(send_invoice, name=FUNCTION)], redis_settings=RedisSettings.from_dsn(url)).run()


if __name__ == "__main__":
    _work(*sys.argv[1:])
