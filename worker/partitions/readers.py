"""Starts and stops to read partitions, while the process runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from worker.intake.planner import Planner
from worker.partitions.partition_worker import PartitionWorker


class Readers:
    """The partitions that this process reads now."""

    def __init__(self, create: Callable[[int, Planner], PartitionWorker], planner: Planner) -> None:
        """create: makes the worker of the partition with this number."""
        self._create = create
        self._planner = planner
        self._are_first = True
        self._workers: dict[int, PartitionWorker] = {}
        self._leaving: dict[int, PartitionWorker] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}  # also of workers that are about to end
        self._ended = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def numbers(self) -> set[int]:
        """The numbers of the partitions that are read, without those that are being left."""
        return set(self._workers)

    def join(self, numbers: Collection[int]) -> list[int]:
        """Read these partitions too, and return those that were not read before.

        One that is still being left is not joined yet: ask again later.
        """
        joined = [number for number in sorted(numbers) if number not in self._tasks]
        for number in joined:
            worker = self._workers[number] = self._create(number, self._planner)
            worker.let_first(is_first=self._are_first)
            task = self._tasks[number] = asyncio.create_task(worker.run())
            task.add_done_callback(lambda task, number=number: self._note_end(number, task))  # type: ignore[misc]
        return joined

    def leave(self, numbers: Collection[int]) -> None:
        """Stop to read these partitions; what is under way there is finished."""
        for number in numbers:
            worker = self._leaving[number] = self._workers.pop(number)
            worker.leave()

    def reload(self, planner: Planner) -> None:
        """Plan with this planner from the next commit on, in all partitions."""
        self._planner = planner
        for worker in self._workers.values():
            worker.reload(planner)

    def let_first(self, *, are_first: bool) -> None:
        """Set whether this process is the first reader of its partitions; a second one reads more rarely."""
        self._are_first = are_first
        for worker in self._workers.values():
            worker.let_first(is_first=are_first)

    async def stop(self) -> None:
        """Leave all partitions, and wait until that is done, at most `stop_grace_s`."""
        self.leave(self.numbers)
        for worker in self._leaving.values():
            worker.stop()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    async def run(self) -> None:
        """Wait until cancelled. Raises the error of a worker that ended by one, which is a defect."""
        await self._failed

    def _note_end(self, number: int, task: asyncio.Task[None]) -> None:
        del self._tasks[number]
        self._workers.pop(number, None)
        self._leaving.pop(number, None)
        if not task.cancelled() and (error := task.exception()) and not self._failed.done():
            self._failed.set_exception(error)
