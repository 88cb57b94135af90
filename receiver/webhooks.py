"""Handles one webhook: from the request to the answer that it is stored, or to its rejection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter, time_ns
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from msgspec import Struct

from broker.queue.batch import RawBody
from receiver import responses
from receiver.counters import Counters
from receiver.errors import RejectedError
from receiver.health.rejections import Rejections
from receiver.ingress.body import BodyReader
from receiver.ingress.kept_headers import KeptHeaders
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
        source = "" if route is None else route.verifier.source
        try:
            response = await self._accept(request, route)
        except RejectedError as rejection:
            return self.reject(rejection.status, rejection.reason, source=source, address=rejection.address)
        except Exception:
            log.exception("a webhook met a defect", extra={"action": "webhook_failed"})
            return self.reject(500, "internal error", source=source)
        self._counters.responses[response.status] += 1
        return response

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
        verifier = route.verifier
        if request.method != hdrs.METH_POST:
            return _answer_probe(request, verifier)
        verifier.check_address(request.remote, request.headers)
        started_ns = time_ns()
        _check_encoding(request)
        hint = _event_hint(request)
        body = await self._bodies.read(request)
        signed = verifier.signed_request(request, body)
        verifier.check_signature(signed)
        if verifier.kind.handshake is not None and (answer := verifier.kind.handshake(signed)) is not None:
            return responses.handshake(answer)
        if verifier.url_events.looks_at_body(hint):
            verifier.check_event(body, hint, request.query.get("key", ""))
        kept = route.kept_headers.of(request.headers)
        raw = RawBody(self._now_ms(), verifier.source, hint, body, kept)
        if self.traces is None:
            await self._store(raw)
        else:
            await self.traces.store(raw, request.headers.get(TRACEPARENT), started_ns, self._store)
        return route.accepted

    async def _store(self, body: RawBody) -> None:
        if self._commit.pending_bytes + len(body.body) > self._settings.max_pending_bytes:
            raise RejectedError(503, "too many bytes wait for Redis")
        reason = self._rejection_reason()
        if reason:
            raise RejectedError(503, reason)
        started_s = perf_counter()
        if not await self._commit.join(body):
            raise RejectedError(503, "Redis did not confirm")
        self._counters.ack_duration_s.observe(perf_counter() - started_s)

    def _headers(self, status: int) -> Mapping[str, str]:
        if status == 503:
            return {hdrs.RETRY_AFTER: str(self._settings.retry_after_s)}
        return {hdrs.ALLOW: hdrs.METH_POST} if status == 405 else {}


def _answer_probe(request: web.BaseRequest, verifier: SourceVerifier) -> web.StreamResponse:
    """Answer a request with another method than POST, which has no signature. Raises RejectedError."""
    verifier.check_address(request.remote, request.headers)
    handshake = verifier.kind.handshake
    answer = handshake(verifier.signed_request(request, b"")) if handshake else None
    if answer is None:
        raise RejectedError(405, "webhooks are sent with POST")
    return responses.handshake(answer)


def _check_encoding(request: web.BaseRequest) -> None:
    if hdrs.CONTENT_ENCODING not in request.headers:
        return
    if not is_unencoded(request.headers.getall(hdrs.CONTENT_ENCODING)):
        raise RejectedError(415, "send the body without Content-Encoding: the signature is over the raw bytes")


def _event_hint(request: web.BaseRequest) -> str:
    """The event name from `?event=`, for bodies that do not name their event."""
    if not request.query_string:
        return ""
    hint = request.query.get("event", "")
    if len(hint) > _MAX_HINT_CHARS or not hint.isprintable():
        raise RejectedError(400, f"event is at most {_MAX_HINT_CHARS} printable characters")
    return hint
