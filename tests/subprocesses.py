"""Runs a program that does not outlive the test which started it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.leash import leashed


@asynccontextmanager
async def running_program(*command: str | Path, **options: Any) -> AsyncIterator[Process]:
    """Start a program by its absolute path; it is killed at the end if it still runs.

    options: those of asyncio.create_subprocess_exec.
    """
    process = await asyncio.create_subprocess_exec(*leashed(command), **options)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        # This also reads what is left in the pipes, without which asyncio may not notice the end.
        await process.communicate()
