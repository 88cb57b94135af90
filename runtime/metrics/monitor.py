"""Readiness and metrics of a process, and of the other processes that share its port."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence

from runtime.metrics.board import Board, Report
from runtime.metrics.declaration import Metric, Sample, Samples
from runtime.metrics.exposition import prometheus_text
from runtime.metrics.process_figures import PROCESS_METRICS, READY, build_info, figures_of

_EVERY_S = 1.0
"""Seconds between two reports, if there are other processes that may be asked for them."""

_SILENT_S = 10.0
"""Seconds after which a process that did not report counts as not ready: it hangs, or has ended."""


async def _nothing() -> Samples:
    return {}


class Monitor:
    """The metrics and the readiness of one process and of the others of its group."""

    def __init__(
        self,
        part: str,
        metrics: Sequence[Metric],
        *,
        samples: Callable[[], Samples],
        reasons: Callable[[], Awaitable[list[str]]],
        shared: Callable[[], Awaitable[Samples]] = _nothing,
        board: Board | None = None,
        process: int = 0,
    ) -> None:
        """part: receiver, worker or inspector. samples: those of this process. reasons: why it is not ready.

        shared: reads the samples that no process has for itself. board: defaults to one without other processes.
        process: its number on the board.
        """
        self._metrics = (*PROCESS_METRICS, *metrics)
        self._build_info = build_info(part)
        self._samples = samples
        self._reasons = reasons
        self._shared = shared
        self._board = board or Board(process + 1)
        self._is_alone = board is None or board.count == 1
        self._process = process

    async def run(self) -> None:
        """Report once a second until cancelled; returns at once if no other process would read that."""
        while not self._is_alone:
            await self._publish()
            await asyncio.sleep(_EVERY_S)

    async def reasons(self) -> list[str]:
        """Return why this process, or another of its group, is not ready; empty if all are."""
        if self._is_alone:
            return await self._reasons()
        await self._publish()
        reports, now_s = self._board.reports(), time.monotonic()
        return [
            f"process {process}: {reason}"
            for process in range(self._board.count)
            for reason in _reasons_of(reports.get(process), now_s)
        ]

    async def metrics(self) -> bytes:
        """Return the metrics of all processes of the group, as Prometheus text."""
        await self._publish()
        now_s = time.monotonic()
        by_process: dict[int, Samples] = {}
        for process, report in self._board.reports().items():
            is_ready = not _reasons_of(report, now_s)
            by_process[process] = {
                **report.samples,
                **figures_of(report.pid),
                READY.name: [Sample(float(is_ready))],
            }
        return prometheus_text(self._metrics, by_process, {**self._build_info, **await self._shared()})

    async def _publish(self) -> None:
        reasons = await self._reasons()
        self._board.publish(self._process, Report(os.getpid(), time.monotonic(), reasons, self._samples()))


def _reasons_of(report: Report | None, now_s: float) -> list[str]:
    if report is None:
        return ["it has not started"]
    silent_s = now_s - report.at_s
    if silent_s > _SILENT_S:
        return [f"it has not reported for {silent_s:.0f} s: it hangs, or has ended"]
    return report.reasons
