"""Handles one webhook: from the request to 202, or to its rejection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter

from aiohttp import hdrs, web

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
from sources.provider import Provider

PREFIX = "/webhooks/"
_MAX_HINT_CHARS = 200

log = logging.getLogger("hookline.receiver")


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
        self._now_ms = now_ms
        self.reload(verifiers)
        self._commit = commit
        self._counters = counters
        self._rejections = rejections
        self._settings = settings
        self._rejection_reason = rejection_reason
        self._kept = KeptHeaders(settings.kept_headers)
        self._bodies = BodyReader(
            max_bytes=settings.max_body_bytes,
            timeout_s=settings.body_timeout_s,
            max_total_bytes=settings.max_pending_bytes,
        )
        self._accepted = responses.Accepted()

    def reload(self, verifiers: Mapping[str, SourceVerifier]) -> None:
        """Accept webhooks for these sources from now on. A request under way keeps its verifier."""
        self._verifiers = {PREFIX + name: verifier for name, verifier in verifiers.items()}

    def kinds(self) -> dict[str, Provider]:
        """The provider of each source, by the source's name."""
        return {verifier.source: verifier.kind for verifier in self._verifiers.values()}

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond with 202 when Redis has confirmed the body, else with the reason of the rejection."""
        verifier = self._verifiers.get(request.path) or self._verifiers.get(
            single_slashes(request.rel_url.raw_path)
        )
        source = "" if verifier is None else verifier.source
        try:
            await self._accept(request, verifier)
        except RejectedError as rejection:
            return self.reject(rejection.status, rejection.reason, source=source, address=rejection.address)
        except Exception:
            log.exception("a webhook met a defect", extra={"action": "webhook_failed"})
            return self.reject(500, "internal error", source=source)
        self._counters.responses[202] += 1
        return self._accepted

    def reject(self, status: int, reason: str, *, source: str = "", address: str = "") -> web.Response:
        """Count a rejection; returns the response with its reason."""
        self._counters.responses[status] += 1
        self._rejections.note(status, reason, source=source, address=address)
        return responses.error(status, reason, self._headers(status))

    def reject_head(self, status: int, reason: str, path: str) -> web.Response:
        """Reject a request whose head is incomplete or malformed; `path` is the known part of its path."""
        verifier = self._verifiers.get(single_slashes(path))
        return self.reject(status, reason, source="" if verifier is None else verifier.source)

    async def _accept(self, request: web.BaseRequest, verifier: SourceVerifier | None) -> None:
        if verifier is None:
            raise RejectedError(404, "no such source: POST to /webhooks/{source}")
        if request.method != hdrs.METH_POST:
            raise RejectedError(405, "webhooks are sent with POST")
        verifier.check_address(request.remote, request.headers)
        _check_encoding(request)
        hint = _event_hint(request)
        body = await self._bodies.read(request)
        verifier.check_signature(body, request.headers.get(verifier.signature_header))
        if verifier.url_events.looks_at_body(hint):
            verifier.check_event(body, hint, request.query.get("key", ""))
        kept = self._kept.of(request.headers)
        await self._store(RawBody(self._now_ms(), verifier.source, hint, body, kept))

    async def _store(self, body: RawBody) -> None:
        if self._commit.pending_bytes + len(body.body) > self._settings.max_pending_bytes:
            raise RejectedError(503, "too many bytes wait for Redis")
        reason = self._rejection_reason()
        if reason:
            raise RejectedError(503, reason)
        started_s = perf_counter()
        if not await self._commit.join(body):
            raise RejectedError(503, "Redis did not confirm")
        self._counters.accept_s.observe(perf_counter() - started_s)

    def _headers(self, status: int) -> Mapping[str, str]:
        if status == 503:
            return {hdrs.RETRY_AFTER: str(self._settings.retry_after_s)}
        return {hdrs.ALLOW: hdrs.METH_POST} if status == 405 else {}


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
