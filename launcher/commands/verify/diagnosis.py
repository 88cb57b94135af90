"""The checks of a request, one after the other, with the reason of the first failure. Pure.

No text holds a secret, an expected signature, or a value of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, structs

from launcher.commands.verify.reencodings import reencodings
from receiver.ingress.tolerance import is_unencoded
from sources import KINDS
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.signature import NO_SECRET_MATCHES
from sources.signed_request import SignedRequest
from sources.url_event import UrlEvents

_TIME = re.compile(r"(?<![0-9])([0-9]{10})([0-9]{3})?(?![0-9])")


class Step(Struct, frozen=True):
    """A check and its outcome."""

    check: str
    outcome: Literal["ok", "failed"]
    text: str = ""
    """The reason of a failure with its cure, or what was found."""


class Subject(Struct, frozen=True, kw_only=True):
    """A source, as far as the checks need it."""

    kind: Provider
    secrets: Sequence[Secret]
    other_secrets: Mapping[str, Sequence[Secret]] = {}
    """The secrets of other sources of the same kind, by name, to find a request that came to the wrong URL."""

    url_events: UrlEvents


def diagnose(subject: Subject, request: SignedRequest, *, captured_url: str = "") -> tuple[Step, ...]:
    """Check a request as the receiver does. The last step is the first failure, if there is one.

    captured_url: the URL that the sender called as far as it is known, for providers that sign it.
    """
    steps: list[Step] = []
    for check, reason, found in _steps(subject, request, captured_url):
        steps.append(Step(check, "failed" if reason else "ok", reason or found))
        if reason:
            break
    return tuple(steps)


def _steps(subject: Subject, request: SignedRequest, captured_url: str) -> Iterator[tuple[str, str, str]]:
    """Yields (check, why it fails or "", what was found)."""
    is_post = request.method == "POST"
    yield "method", "" if is_post else "webhooks are sent with POST: the receiver answers 405", "POST"
    encodings = [value for name, value in request.headers.items() if name.lower() == "content-encoding"]
    reason = "" if is_unencoded(encodings) else "the body has a Content-Encoding: the receiver answers 415"
    yield "encoding", reason, "none"
    yield "headers", *_headers(subject.kind, request)
    error = _error(subject, request)
    if error.startswith("the timestamp in "):
        signed_s = _time_of_signature(subject, request)
        hint = "" if signed_s is None else ". Otherwise the signature is right"
        yield "time", error + hint, ""
    elif error and error != NO_SECRET_MATCHES:
        yield "form", error, ""
    yield "time and form", "", "well-formed, and recent if the provider sends a time"
    why = _why_no_secret_matches(subject, request, captured_url) if error else ""
    yield "signature", error + why, "it fits"
    query = dict(parse_qsl(urlsplit(request.url).query))
    reason = subject.url_events.fault(request.body, query.get("event", ""), query.get("key", ""))
    yield "event in the URL", reason, "accepted, or not used"


def _headers(kind: Provider, request: SignedRequest) -> tuple[str, str]:
    """Why the headers of the signature are not there, or their names."""
    present = [name for name in kind.signature_headers if request.headers.get(name)]
    if present or not kind.signature_headers:
        return "", ", ".join(present) or "none needed"
    expected = " or ".join(kind.signature_headers)
    others = [
        f"{name}, of {other.title}"
        for other in KINDS.values()
        for name in other.signature_headers
        if request.headers.get(name)
    ]
    if others:
        return f"{expected} is missing, but there is {others[0]}: correct `kind` of the source", ""
    return f"{expected} is missing: the sender does not sign, or a proxy removes the header", ""


def _why_no_secret_matches(subject: Subject, request: SignedRequest, captured_url: str) -> str:
    """The most likely reason why no secret fits, found by trying."""
    for name, secrets in subject.other_secrets.items():
        if not _error(structs.replace(subject, secrets=secrets), request):
            return f"; it fits a secret of source {name}: the sender calls the wrong URL, or secrets are mixed up"
    if subject.kind.signs_url:
        for url in _urls(request, captured_url):
            if not _error(subject, structs.replace(request, url=url)):
                return (
                    f"; it fits the URL {_shown(url)}, and the receiver expects {_shown(request.url)}: correct "
                    "receiver.public_url, or the URL at the sender"
                )
    for change, body in reencodings(request.body):
        if not _error(subject, structs.replace(request, body=body)):
            return f"; the body was changed on its way: {change}. Let the proxy pass on the bytes unchanged"
    return ". No known change of the body explains it: compare the secret with that of the sender"


def _urls(request: SignedRequest, captured_url: str) -> Iterator[str]:
    """Other URLs that the sender may have called."""
    expected = urlsplit(request.url)
    parts = urlsplit(captured_url) if "//" in captured_url else expected
    named = {request.headers.get(name, "") for name in ("host", "x-forwarded-host")}
    hosts = {parts.netloc, expected.netloc} | named
    paths = {parts.path, expected.path, parts.path.rstrip("/"), parts.path.rstrip("/") + "/"}
    queries = {parts.query, expected.query, ""}
    for scheme in ("https", "http"):
        for host in sorted(filter(None, hosts)):
            for path in sorted(paths):
                yield from (_url(f"{scheme}://{host}{path}", query) for query in sorted(queries))


def _url(address: str, query: str) -> str:
    return f"{address}?{query}" if query else address


def _shown(url: str) -> str:
    """A URL without the values of its query, which may hold a key."""
    address, _, query = url.partition("?")
    return _url(address, "..." if query else "")


def _time_of_signature(subject: Subject, request: SignedRequest) -> float | None:
    """The time at which the request would verify, if one of the numbers in its headers is such a time."""
    numbers = (match for value in request.headers.values() for match in _TIME.finditer(value))
    for match in list(numbers)[:32]:
        signed_s = int(match[1]) + int(match[2] or 0) / 1000
        if not _error(subject, structs.replace(request, now_s=signed_s)):
            return signed_s
    return None


def _error(subject: Subject, request: SignedRequest) -> str:
    """Why a request does not verify, "" if it does."""
    try:
        subject.kind.verify(request, secrets=subject.secrets)
    except SignatureError as error:
        return str(error)
    return ""
