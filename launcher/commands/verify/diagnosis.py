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
from sources.signed_request import SignedRequest
from sources.url_event import UrlEvents

_TIME = re.compile(r"(?<![0-9])([0-9]{10})([0-9]{3})?(?![0-9])")


class Step(Struct, frozen=True):
    """A check and its outcome."""

    check: str
    outcome: Literal["ok", "failed"]
    text: str = ""
    """The reason of a failure, as the receiver answers it, or what was found."""

    advice: str = ""
    """The likely cause and its cure, for the operator alone: a sender may not see it."""


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
    for step in _steps(subject, request, captured_url):
        steps.append(step)
        if step.outcome == "failed":
            break
    return tuple(steps)


def _steps(subject: Subject, request: SignedRequest, captured_url: str) -> Iterator[Step]:
    is_post = request.method == "POST"
    yield _step("method", "" if is_post else "webhooks are sent with POST: the receiver answers 405", "POST")
    encodings = [value for name, value in request.headers.items() if name.lower() == "content-encoding"]
    reason = "" if is_unencoded(encodings) else "the body has a Content-Encoding: the receiver answers 415"
    yield _step("encoding", reason, "none")
    error = _error(subject, request)
    present = [name for name in subject.kind.signature_headers if request.headers.get(name)]
    if error and subject.kind.signature_headers and not present:
        yield Step("headers", "failed", error, _why_no_header(subject.kind, request))
    yield Step("headers", "ok", ", ".join(present) or "none needed")
    if error.startswith("the timestamp in "):
        is_else_right = _time_of_signature(subject, request) is not None
        yield Step("time", "failed", error, "Otherwise the signature is right." if is_else_right else "")
    # Steps of sources/shared/signature.py name the header. What remains is that nothing fits.
    yield _step(
        "form", error if error.startswith("the header ") else "", "well-formed, with its time if it has one"
    )
    if error:
        yield Step("signature", "failed", error, _why_no_secret_matches(subject, request, captured_url))
    yield Step("signature", "ok", "it fits")
    query = dict(parse_qsl(urlsplit(request.url).query))
    reason = subject.url_events.fault(request.body, query.get("event", ""), query.get("key", ""))
    yield _step("event in the URL", reason, "accepted, or not used")


def _step(check: str, reason: str, found: str) -> Step:
    """The step of a check; reason: why it fails, or "", and then what was found."""
    return Step(check, "failed" if reason else "ok", reason or found)


def _why_no_header(kind: Provider, request: SignedRequest) -> str:
    """The likely reason why no header of the signature is there."""
    for other in KINDS.in_use():
        for name in other.signature_headers:
            if request.headers.get(name):
                return f"There is {name}, of {other.title}: correct `kind` of the source."
    return f"Expected {' or '.join(kind.signature_headers)}: the sender does not sign, or a proxy removes it."


def _why_no_secret_matches(subject: Subject, request: SignedRequest, captured_url: str) -> str:
    """The most likely reason why no secret fits, found by trying."""
    for name, secrets in subject.other_secrets.items():
        if not _error(structs.replace(subject, secrets=secrets), request):
            return f"It fits a secret of source {name}: the sender calls the wrong URL, or secrets are mixed up."
    if subject.kind.signs_url:
        for url in _urls(request, captured_url):
            if not _error(subject, structs.replace(request, url=url)):
                return (
                    f"It fits the URL {_shown(url)}, and the receiver expects {_shown(request.url)}: correct "
                    "receiver.public_url, or the URL at the sender."
                )
    for change, body in reencodings(request.body):
        if not _error(subject, structs.replace(request, body=body)):
            return f"The body was changed on its way: {change}. Let the proxy pass on the bytes unchanged."
    return "No known change of the body explains it: compare the secret with that of the sender."


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
