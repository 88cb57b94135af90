"""Handles one webhook: from the request to the answer that it is stored, or to its rejection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter, time_ns
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from msgspec import Struct

from broker.queue.batch import RawBody
from receiver import responses
from receiver.counters import Counters
from receiver.errors import RejectedError
from receiver.health.rejections import Rejections
from receiver.ingress.body import BodyReader
from receiver.ingress.http_protocol import Protocol
from receiver.ingress.kept_headers import KeptHeaders
from receiver.ingress.request_head import RequestHead, head_in, head_of
from receiver.ingress.source_verifier import SourceVerifier
from receiver.ingress.tolerance import is_unencoded, single_slashes
from receiver.settings import Settings
from receiver.storage.group_commit import GroupCommit
from runtime.tracing.context import TRACEPARENT
from sources.provider import Provider

if TYPE_CHECKING:
    from receiver.traces import ReceiveTraces

PREFIX = "/webhooks/"
_MAX_HINT_CHARS = 200
_NOT_CONFIRMED = "Redis did not confirm"

log = logging.getLogger("hookline.receiver")


class _Route(Struct, frozen=True):
    """The parts that answer the webhooks of one source."""

    verifier: SourceVerifier
    kept_headers: KeptHeaders
    accepted: responses.Accepted


class Webhooks:
    """Handles POST /webhooks/{source}[?event=TYPE]. Cheap checks come first; a failed one writes nothing."""

    def __init__(
        self,
        verifiers: Mapping[str, SourceVerifier],
        commit: GroupCommit,
        counters: Counters,
        rejections: Rejections,
        settings: Settings,
        *,
        rejection_reason: Callable[[], str],
        now_ms: Callable[[], int],
    ) -> None:
        """`rejection_reason`: why nothing is accepted now, "" for no reason; `now_ms`: the clock of Redis.

        Raises KeptHeaderError.
        """
        self.traces: ReceiveTraces | None = None
        """Makes the spans of verified webhooks, if traces are switched on."""

        self._now_ms = now_ms
        self._settings = settings
        KeptHeaders(settings.kept_headers)  # checks them, even where no source is configured
        self.reload(verifiers)
        self._commit = commit
        self._counters = counters
        self._rejections = rejections
        self._rejection_reason = rejection_reason
        self._bodies = BodyReader(
            max_bytes=settings.max_body_bytes,
            timeout_s=settings.body_timeout_s,
            max_total_bytes=settings.max_pending_bytes,
        )

    def reload(self, verifiers: Mapping[str, SourceVerifier]) -> None:
        """Accept webhooks for these sources from now on. A request under way keeps its verifier.

        Raises KeptHeaderError.
        """
        self._routes = {
            PREFIX + name: _Route(
                verifier,
                KeptHeaders(self._settings.kept_headers, of_provider=verifier.kind.kept_headers),
                responses.Accepted(verifier.kind.success_status, verifier.kind.success_body),
            )
            for name, verifier in verifiers.items()
        }

    def kinds(self) -> dict[str, Provider]:
        """The provider of each source, by the source's name."""
        return {route.verifier.source: route.verifier.kind for route in self._routes.values()}

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond with success when Redis has confirmed the body, else with the reason of the rejection."""
        route = self._routes.get(request.path) or self._routes.get(single_slashes(request.rel_url.raw_path))
        try:
            response = await self._accept(request, route)
        except Exception as error:  # noqa: BLE001 - each has a response
            return self._failed(error, route)
        self._counters.responses[response.status] += 1
        return response

    def take(self, message: RawRequestMessage, content: StreamReader, connection: Protocol) -> bool:
        """Do the same as `respond` for a complete request, without a task: the connection gets the response.

        Returns False, and does nothing, for a request that is not an ordinary webhook.
        """
        route = self._routes.get(message.path.partition("?")[0])
        if route is None or message.method != hdrs.METH_POST or self.traces is not None:
            return False
        connection.begin()
        try:
            head = head_in(message, connection.peer)
            hint = _check_head(route.verifier, head)
            webhook = self._verified(route, head, hint, self._bodies.whole(content))
            if isinstance(webhook, RawBody):
                self._admit(webhook)
                self._commit.add(webhook, partial(self._settled, connection, route, perf_counter()))
                return True
            self._counters.responses[webhook.status] += 1
        except Exception as error:  # noqa: BLE001 - each has a response
            webhook = self._failed(error, route)
        _answer(connection, webhook)
        return True

    def _settled(self, connection: Protocol, route: _Route, started_s: float, confirmed: bool) -> None:
        """Answer a webhook that was taken, when its batch is done."""
        response: web.StreamResponse = route.accepted
        if confirmed:
            self._counters.ack_duration_s.observe(perf_counter() - started_s)
            self._counters.responses[response.status] += 1
        else:
            response = self.reject(503, _NOT_CONFIRMED, source=route.verifier.source)
        _answer(connection, response)

    def _failed(self, error: Exception, route: _Route | None) -> web.Response:
        """Return the response to a webhook that is rejected or met a defect."""
        source = "" if route is None else route.verifier.source
        if isinstance(error, RejectedError):
            return self.reject(error.status, error.reason, source=source, address=error.address)
        log.error("a webhook met a defect", exc_info=error, extra={"action": "webhook_failed"})
        return self.reject(500, "internal error", source=source)

    def reject(self, status: int, reason: str, *, source: str = "", address: str = "") -> web.Response:
        """Count a rejection; returns the response with its reason."""
        self._counters.responses[status] += 1
        self._rejections.note(status, reason, source=source, address=address)
        return responses.error(status, reason, self._headers(status))

    def reject_head(self, status: int, reason: str, path: str) -> web.Response:
        """Reject a request whose head is incomplete or malformed; `path` is the known part of its path."""
        route = self._routes.get(single_slashes(path))
        return self.reject(status, reason, source="" if route is None else route.verifier.source)

    async def _accept(self, request: web.BaseRequest, route: _Route | None) -> web.StreamResponse:
        """Answer a handshake, or store an event."""
        if route is None:
            raise RejectedError(404, "no such source: POST to /webhooks/{source}")
        head = head_of(request)
        if head.method != hdrs.METH_POST:
            return _answer_probe(head, route.verifier)
        started_ns = time_ns()
        hint = _check_head(route.verifier, head)
        webhook = self._verified(route, head, hint, await self._bodies.read(request))
        if not isinstance(webhook, RawBody):
            return webhook
        if self.traces is None:
            await self._store(webhook)
        else:
            await self.traces.store(webhook, head.headers.get(TRACEPARENT), started_ns, self._store)
        return route.accepted

    def _verified(self, route: _Route, head: RequestHead, hint: str, body: bytes) -> RawBody | web.Response:
        """Return what is to be stored, or the response to a handshake. Raises RejectedError."""
        verifier = route.verifier
        signed = verifier.signed_request(head, body)
        verifier.check_signature(signed)
        if verifier.kind.handshake is not None and (answer := verifier.kind.handshake(signed)) is not None:
            return responses.handshake(answer)
        if verifier.url_events.looks_at_body(hint):
            verifier.check_event(body, hint, head.url.query.get("key", ""))
        return RawBody(self._now_ms(), verifier.source, hint, body, route.kept_headers.of(head.headers))

    async def _store(self, body: RawBody) -> None:
        self._admit(body)
        started_s = perf_counter()
        if not await self._commit.join(body):
            raise RejectedError(503, _NOT_CONFIRMED)
        self._counters.ack_duration_s.observe(perf_counter() - started_s)

    def _admit(self, body: RawBody) -> None:
        """Raises RejectedError (503) if nothing more is accepted now."""
        if self._commit.pending_bytes + len(body.body) > self._settings.max_pending_bytes:
            raise RejectedError(503, "too many bytes wait for Redis")
        reason = self._rejection_reason()
        if reason:
            raise RejectedError(503, reason)

    def _headers(self, status: int) -> Mapping[str, str]:
        if status == 503:
            return {hdrs.RETRY_AFTER: str(self._settings.retry_after_s)}
        return {hdrs.ALLOW: hdrs.METH_POST} if status == 405 else {}


def _answer(connection: Protocol, response: web.StreamResponse) -> None:
    connection.answer(responses.rendered(response, closes=connection.is_last_answer))


def _answer_probe(head: RequestHead, verifier: SourceVerifier) -> web.Response:
    """Answer a request with another method than POST, which has no signature. Raises RejectedError."""
    verifier.check_address(head.peer, head.headers)
    handshake = verifier.kind.handshake
    answer = handshake(verifier.signed_request(head, b"")) if handshake else None
    if answer is None:
        raise RejectedError(405, "webhooks are sent with POST")
    return responses.handshake(answer)


def _check_head(verifier: SourceVerifier, head: RequestHead) -> str:
    """Make the checks that need no body. Returns the event name from the URL, or "". Raises RejectedError."""
    verifier.check_address(head.peer, head.headers)
    if hdrs.CONTENT_ENCODING in head.headers and not is_unencoded(head.headers.getall(hdrs.CONTENT_ENCODING)):
        raise RejectedError(415, "send the body without Content-Encoding: the signature is over the raw bytes")
    if "?" not in head.target:
        return ""
    hint = head.url.query.get("event", "")
    if len(hint) > _MAX_HINT_CHARS or not hint.isprintable():
        raise RejectedError(400, f"event is at most {_MAX_HINT_CHARS} printable characters")
    return hint
