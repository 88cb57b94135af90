"""A real Chromium for all browser tests of a session, which run in the session's event loop:

    pytestmark = pytest.mark.asyncio(loop_scope="session")

So they take no fixture of a function's loop, such as `redis`: `serving(redis_server.url)` connects by itself.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.programs import lacks

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # tests run as root in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

END_S = 120
"""Seconds after which a browser that does not end fails the session."""

expect.set_options(timeout=60_000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A browser for all tests. Each opens a context: `async with await chromium.new_context() as context`."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(lacks("chromium"))
    playwright = await async_playwright().start()
    browser = await playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
    yield browser
    async with asyncio.timeout(END_S):
        await browser.close()
        await playwright.stop()
