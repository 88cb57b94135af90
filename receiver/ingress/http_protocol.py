"""aiohttp's protocol with bounds on what one connection may hold and for how long, and with JSON in every answer.

It adds what aiohttp leaves open: a time for the first head to arrive in, a size of a whole head, an end to
writing to a client that does not read, and the answer to a client that has closed its sending half.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from receiver import responses
from receiver.errors import RefusedError
from receiver.ingress.client_connections import Connections
from receiver.settings import Settings

MAX_HEAD_BYTES = 32 * 1024
"""Of a head that comes in pieces; the same as nginx takes by default."""

MAX_HEADER_BYTES = 16 * 1024
"""Of one header: what load balancers let through, whose signed claims (JWT) may be longer than 8 KiB."""

MAX_REQUEST_LINE_BYTES = 8190
"""Of the method, the address and the version; aiohttp's own bound."""

_HEAD_START_BYTES = 256
"""Of a head that is not complete: enough to tell which source it is for."""

_READ_BUFFER_BYTES = 64 * 1024
_HALF_CLOSED_POLL_S = 0.05

_logger = logging.getLogger("hookline.receiver")
_receive = RequestHandler.data_received
_PATH = re.compile(rb"[A-Z]+ (/[^ ?\r\n]*)[ ?]")


class Protocol(RequestHandler):
    """One connection."""

    __slots__ = ("_connections", "_head_bytes", "_head_start", "_refuse", "_settings", "_stuck")

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        refuse: Callable[[int, str, str], web.Response],
        settings: Settings,
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`refuse`: makes the answer from a status, a reason, and what is known of the request's path."""
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # what aiohttp documents for "no access log"
            auto_decompress=False,
            keepalive_timeout=settings.idle_timeout_s,
            lingering_time=settings.body_timeout_s,
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=MAX_REQUEST_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._connections = connections
        self._refuse = refuse
        self._settings = settings
        self._head_bytes = 0
        """Of a head that is not complete yet."""

        self._head_start = b""
        """How it begins, or how a head began that could not be read."""

        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it a shorter time for its first head than for a later one: nothing speaks for it yet."""
        super().connection_made(transport)
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        now_s = self._loop.time()
        self._next_keepalive_close_time = now_s + self._settings.head_timeout_s
        first_look_s = now_s + min(self._settings.head_timeout_s, self._settings.idle_timeout_s)
        self._keepalive_handle = self._loop.call_at(first_look_s, self._process_keepalive)
        if not self._connections.add(self):
            self._give_up(503, "too many connections")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._connections.remove(self)
        self._unstick()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse it, and bound a head that grows without an end."""
        _receive(self, data)
        waiter = self._waiter  # as _is_idle, but this is run for every webhook
        if waiter is not None and not waiter.done():
            self._keep_start(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._give_up(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        elif (messages := self._messages) and messages[-1][0].__class__ is _ErrInfo:
            # Of several requests that came at once it is not known where the one that failed begins.
            self._keep_start(data if len(messages) == 1 else b"")
        elif self._head_bytes:
            self._head_bytes = 0

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp has it answer nothing, which closes at once
        """The client sends no more: what it sent is answered still, then the connection closes."""
        if self._is_idle():
            return False
        self._end()
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers: it has as long for that as a body has to arrive."""
        super().pause_writing()
        self._stuck = self._loop.call_later(self._settings.body_timeout_s, self._abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._unstick()
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the signature is aiohttp's
    ) -> web.StreamResponse:
        """The answer where no handler gave one. The connection closes after it."""
        if isinstance(exc, RefusedError):
            status, reason = exc.status, exc.reason
        elif isinstance(exc, LineTooLong):
            status, reason = 431, _too_long(exc)
        elif status >= 500:
            _logger.error("a request met a defect", exc_info=exc, extra={"action": "request_failed"})
            reason = "internal error"
        else:
            reason = "malformed HTTP"
        answer = self._refuse(status, reason, self._failed_path())
        responses.use_known_version(request, is_malformed=True)
        answer.force_close()
        return answer

    def _process_keepalive(self) -> None:
        """Where aiohttp closes a connection that idled for too long, tell one that began a head why."""
        if self._head_bytes and self._is_idle() and self._loop.time() >= self._next_keepalive_close_time:
            self._give_up(408, "the head did not arrive in time")
        else:
            super()._process_keepalive()

    def _keep_start(self, data: bytes) -> None:
        """Remember how a head began that is not complete, or could not be read."""
        start = self._head_start if self._head_bytes else b""
        if len(start) < _HEAD_START_BYTES:
            self._head_start = (start + data[:_HEAD_START_BYTES])[:_HEAD_START_BYTES]
        self._head_bytes += len(data)

    def _failed_path(self) -> str:
        found = _PATH.match(self._head_start)
        return found[1].decode("latin-1") if found else ""

    def _give_up(self, status: int, reason: str) -> None:
        """Answer in place of a request, the way aiohttp answers malformed HTTP, and close."""
        refused = RefusedError(status, reason)
        self._messages.append((_ErrInfo(status=status, exc=refused, message=reason), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _is_idle(self) -> bool:
        """Whether it waits for a request, and what has come of one is no whole head."""
        return self._waiter is not None and not self._waiter.done()

    def _end(self) -> None:
        """Close once all that came is answered. aiohttp tells nobody when that is: look again and again."""
        if self._is_idle():
            self.force_close()
        elif self.transport is not None:
            self._break_off()
            self._loop.call_later(_HALF_CLOSED_POLL_S, self._end)

    def _break_off(self) -> None:
        """Let whoever reads a body that is not complete know that no more of it comes."""
        payload = self._newest_payload()
        if payload is None or payload.is_eof() or self._parser is None:
            return
        try:
            self._parser.feed_eof()
        except HttpProcessingError as error:
            payload.set_exception(error)
            payload.feed_eof()

    def _newest_payload(self) -> StreamReader | None:
        if self._messages:
            return self._messages[-1][1]
        return None if self._current_request is None else self._current_request.content

    def _unstick(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _too_long(error: LineTooLong) -> str:
    if error.args[1] == MAX_HEADER_BYTES:
        return f"a header is longer than {MAX_HEADER_BYTES} bytes"
    return f"the request line is longer than {MAX_REQUEST_LINE_BYTES} bytes"
