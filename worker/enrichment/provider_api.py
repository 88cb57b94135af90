"""Requests to a source's API: cached, rate-limited and bounded. Requests and answers are never logged.

Errors contain no ids and quote no answers: they appear in logs and lists, and an answer is about a person.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from aiolimiter import AsyncLimiter
from cachetools import TLRUCache
from yarl import URL

from sources.api import Api, LookUp
from sources.api import Settings as ApiSettings
from sources.written_number import WrittenNumber
from worker.http.client import MAX_ANSWER_BYTES, BrokenAnswer, Client, certificate_error, head_in_time
from worker.http.responses import PASSING, Head, retry_after_s
from worker.http.urls import proxy_for, url_as_written
from worker.outcome import Dead, Retry

_UNKNOWN_CACHE_S = 60.0
"""Seconds for which an answer 404 is cached at most."""

# One odd header must not stop lookups for days.
_MAX_PAUSE_S = 600.0
"""Longest pause in seconds that an API can ask for."""

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=WrittenNumber).decode

Answer = bytes | None | Retry | Dead
"""The JSON object found; None where the API knows no such object; or why there is no answer."""


class _Shared:
    """The state of a request that several notifications may wait for."""

    def __init__(self) -> None:
        self.waiting = 0
        """The number of notifications that wait for it."""

        self.sent = False


class ProviderApi:
    """A source's API. Keeps its connections; must be created in the running event loop that will use it."""

    def __init__(self, source: str, settings: ApiSettings, api: Api) -> None:
        self._source = source
        self._settings = settings
        self._root = (settings.url or api.regions[settings.region]).rstrip("/")
        self._cache: TLRUCache[str, bytes | None] = TLRUCache(settings.cache_size, self._kept_until)
        self._under_way: dict[str, tuple[_Shared, asyncio.Task[Answer]]] = {}
        burst = max(1.0, settings.rate_per_s)
        self._rate = AsyncLimiter(burst, burst / settings.rate_per_s)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._paused_until = 0.0
        url = url_as_written(self._root)
        proxy, self._proxy_fault = _proxy(url)
        self._client = Client(
            "GET",
            url,
            headers={
                **api.headers(settings.app_id, settings.token),
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # so that the limit on an answer holds for what it unpacks to
            },
            concurrency=settings.concurrency,
            proxy=proxy,
        )

    async def get(self, lookup: LookUp) -> Answer:
        """Send a request, unless its answer is cached. Equal requests at the same time are sent once.

        It may wait long for the rate limit, so callers should set a time-out. When all callers of a request are
        cancelled, it is not sent; if it was sent already, its answer is still cached for the next call.
        """
        path = lookup.path
        if path in self._cache:
            return self._cache[path]
        shared, task = self._under_way.get(path) or self._start(lookup)
        shared.waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.sent:
                task.cancel()
                self._end(path, shared)

    async def close(self) -> None:
        """Cancel the requests under way and close the connections."""
        tasks = [task for _, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def _start(self, lookup: LookUp) -> tuple[_Shared, asyncio.Task[Answer]]:
        shared = _Shared()
        task = asyncio.create_task(self._request_in_turn(lookup, shared))
        task.add_done_callback(lambda _: self._end(lookup.path, shared))
        self._under_way[lookup.path] = shared, task
        return shared, task

    def _end(self, path: str, shared: _Shared) -> None:
        if path in self._under_way and self._under_way[path][0] is shared:
            del self._under_way[path]

    def _kept_until(self, _path: str, answer: bytes | None, now: float) -> float:
        kept_s = self._settings.cache_s
        return now + (min(kept_s, _UNKNOWN_CACHE_S) if answer is None else kept_s)

    async def _request_in_turn(self, lookup: LookUp, shared: _Shared) -> Answer:
        async with self._slots:
            if self._paused_s() <= 0:
                await self._rate.acquire()
            wait_s = self._paused_s()
            if wait_s > 0:
                return _passing(lookup, "the API asked to wait", "Paused", wait_s)
            shared.sent = True
            answer = await self._request(lookup)
        if answer is None or isinstance(answer, bytes):
            self._cache[lookup.path] = answer
        return answer

    async def _request(self, lookup: LookUp) -> Answer:
        """Send one request. The status of the answer is enough, unless it is 200: then the body is read too."""
        if self._proxy_fault:
            error = f"{_what(lookup)}: {self._proxy_fault}"
            return Dead(reason="misconfigured", error=error, error_class="LookUpProxy")
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._exchange(lookup)
        except TimeoutError as error:
            late = _passing(lookup, f"no answer within {self._settings.timeout_s:g} s", "TimeoutError")
            return self._from_head(lookup, head_in_time(error), late)
        except BrokenAnswer as error:
            not_http = _passing(lookup, f"the answer is not HTTP: {error}", "NotHttp")
            return self._from_head(lookup, error.head, not_http)
        except (aiohttp.ClientError, OSError) as error:
            return _unanswered(lookup, error)

    async def _exchange(self, lookup: LookUp) -> Answer:
        answer = await self._client.send(url_as_written(self._root + lookup.path).raw_path_qs, {})
        try:
            if answer.status == 200:
                return _object(lookup, await _read(answer.content))
            return self._without_body(lookup, answer.status, answer.headers)
        finally:
            answer.release()

    def _from_head(self, lookup: LookUp, head: Head | None, otherwise: Retry) -> Answer:
        if head is None or head.status == 200:
            return otherwise
        return self._without_body(lookup, head.status, head.headers)

    def _without_body(self, lookup: LookUp, status: int, headers: Mapping[str, str]) -> Answer:
        """The result of an answer without an object, by its status."""
        if status == 404:
            return None
        if status in {401, 403}:
            where = f"sources.{self._source}.api"
            error = f"{_what(lookup)}: answered {status}: check {where}.app_id, {where}.token and {where}.region"
            return Dead(reason="misconfigured", error=error, error_class=f"LookUp{status}")
        if status in PASSING or status >= 500:
            wait_s = retry_after_s(headers, now_s=time.time())
            if wait_s > 0:
                self._paused_until = time.monotonic() + min(wait_s, _MAX_PAUSE_S)
            return _passing(lookup, f"answered {status}", str(status), wait_s)
        return _permanent(lookup, f"answered {status}", str(status))

    def _paused_s(self) -> float:
        return self._paused_until - time.monotonic()


def _proxy(url: URL) -> tuple[URL | None, str]:
    """The proxy for a URL, and an error where the environment names one that cannot be used."""
    try:
        return proxy_for(url), ""
    except ValueError as error:
        return None, str(error)


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    """The whole body; None where it is larger than MAX_ANSWER_BYTES."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return bytes(body)


def _object(lookup: LookUp, body: bytes | None) -> bytes | Dead:
    if body is None:
        return _permanent(lookup, f"the answer is larger than {MAX_ANSWER_BYTES // 1024} KB", "TooLarge")
    try:
        _decode(body)
    except (ValueError, RecursionError):
        return _permanent(lookup, "the answer is not a JSON object", "NotAnObject")
    return body


def _unanswered(lookup: LookUp, error: aiohttp.ClientError | OSError) -> Retry:
    """The outcome where no answer came. The text of some errors contains the whole URL, so it is not used."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _passing(lookup, f"the proxy answered {error.status}", "ClientHttpProxyError")
    reason = certificate_error(error) or getattr(error, "strerror", None) or type(error).__name__
    return _passing(lookup, f"no connection, or it broke off: {reason}", type(error).__name__)


def _what(lookup: LookUp) -> str:
    return f"looking up the {lookup.key}"


def _passing(lookup: LookUp, error: str, error_class: str, wait_s: float = 0.0) -> Retry:
    return Retry(error=f"{_what(lookup)}: {error}", error_class=f"LookUp{error_class}", retry_after_s=wait_s)


def _permanent(lookup: LookUp, error: str, error_class: str) -> Dead:
    return Dead(reason="permanent", error=f"{_what(lookup)}: {error}", error_class=f"LookUp{error_class}")
