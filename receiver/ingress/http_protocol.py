"""aiohttp's protocol with limits for each connection, and with JSON in every response.

It adds what aiohttp lacks: a timeout for the first head, a limit on the size of a head, a timeout for clients that
do not read their responses, and the response to a client that has closed its sending half.

aiohttp's way of a request has two tasks, a request object and a writer. A plain webhook, which arrived whole and
alone, is taken directly from the parser and needs none of them. aiohttp handles all other requests.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from aiohttp import HttpVersion11, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from receiver.errors import RejectedError
from receiver.ingress.client_connections import Connections
from receiver.settings import Settings
from runtime.http_protocol import HttpProtocol

MAX_HEAD_BYTES = 32 * 1024
"""Size limit of a head that arrives in pieces; nginx has the same default."""

MAX_HEADER_BYTES = 16 * 1024
"""Size limit of one header. Load balancers may add signed claims (JWT) of more than 8 KiB."""

MAX_REQUEST_LINE_BYTES = 8190
"""Size limit of the request line: method, path and version. The same as aiohttp's default."""

_HEAD_START_BYTES = 256
"""Bytes that are kept of an incomplete head: enough to find out its source."""

_READ_BUFFER_BYTES = 64 * 1024
_HALF_CLOSED_POLL_S = 0.05

log = logging.getLogger("hookline.receiver")
_receive = RequestHandler.data_received

Take = Callable[[RawRequestMessage, StreamReader, "Protocol"], bool]
"""Takes a complete request of a connection, or returns False."""

_PATH = re.compile(rb"[A-Z]+ (/[^ ?\r\n]*)[ ?]")


class Protocol(HttpProtocol):
    """A connection of the receiver."""

    __slots__ = (
        *("_connections", "_head_bytes", "_head_start", "_is_taken", "_reject", "_settings", "_take"),
        *("_write_deadline", "peer"),
    )

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        reject: Callable[[int, str, str], web.Response],
        take: Take,
        settings: Settings,
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`reject`: makes the response from a status, a reason, and the known part of the request's path. `take`:
        takes a request that is complete, and calls `answer` when its response is known, at once or later; returns
        False if aiohttp is to handle it.
        """
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=settings.idle_timeout_s,
            lingering_time=settings.body_timeout_s,
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=MAX_REQUEST_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._connections = connections
        self._reject = reject
        self._take = take
        self._settings = settings
        self.peer: str | None = None
        """The address of the other end."""

        self._is_taken = False
        """True while a request that was taken directly has no answer."""

        self._head_bytes = 0
        """Bytes that arrived of a head that is not complete yet."""

        self._head_start = b""
        """The beginning of an incomplete head, or of a head that could not be parsed."""

        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timeout for the first head, which is shorter than the one for later heads."""
        super().connection_made(transport)
        if isinstance(self.peername, tuple):
            self.peer = str(self.peername[0])
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        now_s = self._loop.time()
        self._next_keepalive_close_time = now_s + self._settings.head_timeout_s
        first_check_s = now_s + min(self._settings.head_timeout_s, self._settings.idle_timeout_s)
        self._keepalive_handle = self._loop.call_at(first_check_s, self._process_keepalive)
        if not self._connections.add(self):
            self._reject_and_close(503, "too many connections")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remove the connection and its timers."""
        self._connections.remove(self)
        self._cancel_write_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; take a plain webhook, wake aiohttp for other requests, and reject a head that is too large."""
        waiter, self._waiter = self._waiter, None  # without it aiohttp parses, and does not begin with a request
        try:
            _receive(self, data)
        finally:
            self._waiter = waiter
        messages = self._messages
        if waiter is None or waiter.done() or self._is_taken:
            self._keep_fault(data)
        elif not messages:
            self._keep_start(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._reject_and_close(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        elif len(messages) > 1 or not self._takes(*messages[0]):
            self._keep_fault(data)
            waiter.set_result(None)

    def _takes(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> bool:
        """Let the only request be taken directly if it is plain and complete. Returns whether it was."""
        if (
            isinstance(message, _ErrInfo)
            or message.version != HttpVersion11
            or message.should_close
            or message.upgrade
            or self._paused
            or not payload.is_eof()
        ):
            return False
        self._is_taken = True
        if not self._take(message, payload, self):
            self._is_taken = False
            return False
        return True

    @property
    def is_last_answer(self) -> bool:
        """True if the connection closes after the next answer."""
        return self._connections.is_stopping

    def begin(self) -> None:
        """Begin with a request that is taken directly: the connection is busy until its answer."""
        self._head_bytes = 0
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        self._connections.begin(self)

    def answer(self, response: bytes) -> None:
        """Send the response to the request that was taken directly, and let aiohttp handle further ones."""
        self._is_taken = False
        self._connections.end(self)
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(response)
        if self.is_last_answer:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._settings.idle_timeout_s
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        if self._messages and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp returns None, which closes the connection immediately
        """The client sends no more: respond to what it sent, then close the connection."""
        if self._is_idle():
            return False
        self._close_when_idle()
        return True

    def pause_writing(self) -> None:
        """The client does not read its responses: start a timeout, as long as that of a body."""
        super().pause_writing()
        self._write_deadline = self._loop.call_later(self._settings.body_timeout_s, self._abort)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read again. Does nothing if reading is not paused: aiohttp calls this after it has read any body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def resume_writing(self) -> None:
        """The client reads again: cancel the timeout."""
        self._cancel_write_deadline()
        super().resume_writing()

    def error_response(self, status: int, error: BaseException | None) -> web.Response:
        """The response to a request that was rejected before its handler, is malformed, or met a defect."""
        if isinstance(error, RejectedError):
            status, reason = error.status, error.reason
        elif isinstance(error, LineTooLong):
            status, reason = 431, _too_long(error)
        elif status >= 500:
            log.error("a request met a defect", exc_info=error, extra={"action": "request_failed"})
            reason = "internal error"
        else:
            reason = "malformed HTTP"
        return self._reject(status, reason, self._failed_path())

    def _process_keepalive(self) -> None:
        """Respond with 408 if a head is incomplete when aiohttp would close the idle connection silently."""
        if self._is_taken:
            self._keepalive_handle = None  # `answer` starts it again
        elif self._head_bytes and self._is_idle() and self._loop.time() >= self._next_keepalive_close_time:
            self._reject_and_close(408, "the head did not arrive in time")
        else:
            super()._process_keepalive()

    def _keep_fault(self, data: bytes) -> None:
        """Keep the beginning of data that could not be parsed, and forget that of a head which is complete."""
        messages = self._messages
        if messages and messages[-1][0].__class__ is _ErrInfo:
            # Of several requests in one piece, the beginning of the one that failed is unknown.
            self._keep_start(data if len(messages) == 1 else b"")
        elif self._head_bytes:
            self._head_bytes = 0

    def _keep_start(self, data: bytes) -> None:
        """Keep the beginning of a head that is incomplete or could not be parsed."""
        start = self._head_start if self._head_bytes else b""
        if len(start) < _HEAD_START_BYTES:
            self._head_start = (start + data[:_HEAD_START_BYTES])[:_HEAD_START_BYTES]
        self._head_bytes += len(data)

    def _failed_path(self) -> str:
        match = _PATH.match(self._head_start)
        return match[1].decode("latin-1") if match else ""

    def _reject_and_close(self, status: int, reason: str) -> None:
        """Respond as aiohttp responds to malformed HTTP, and close."""
        rejection = RejectedError(status, reason)
        self._messages.append((_ErrInfo(status=status, exc=rejection, message=reason), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _is_idle(self) -> bool:
        """True while it waits for a request or for the rest of a head."""
        return self._waiter is not None and not self._waiter.done() and not self._is_taken

    def _close_when_idle(self) -> None:
        """Close after the last response. Polls, since aiohttp has no callback for that moment."""
        if self._is_idle():
            self.force_close()
        elif self.transport is not None:
            self._end_body()
            self._loop.call_later(_HALF_CLOSED_POLL_S, self._close_when_idle)

    def _end_body(self) -> None:
        """End an incomplete body with an error for its reader."""
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

    def _cancel_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _too_long(error: LineTooLong) -> str:
    if error.args[1] == MAX_HEADER_BYTES:
        return f"a header is longer than {MAX_HEADER_BYTES} bytes"
    return f"the request line is longer than {MAX_REQUEST_LINE_BYTES} bytes"
