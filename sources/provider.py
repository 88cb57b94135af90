"""The interface that every provider's module implements. docs/providers.md shows how to add one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from sources.api import Api
from sources.drift_finding import Finding
from sources.event import Event
from sources.secret import Secret
from sources.signed_request import NO_HEADERS, Answer, Headers, SignedRequest, kept_headers


class Verify(Protocol):
    """Checks a signature in constant time."""

    def __call__(self, request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
        """Return if one of the secrets signed the request, else raise SignatureError.

        The text of the error names the step that failed: a missing or malformed header, a wrong timestamp, no
        secret that matches. It never contains a part of the expected signature, or a text of the sender.
        """
        ...


class Decode(Protocol):
    """Decodes a body that `split` returned to its event."""

    def __call__(self, body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
        """Decode a body; raises DecodeError and nothing else.

        hint: the event name in the URL, or "". headers: the provider's `kept_headers`, by their names in lower
        case. No time is checked here: a body may be decoded long after its receipt.
        """
        ...


UrlEventUse = Literal["ignored", "possible", "impossible"]
"""How an event name in the URL fits a body: ignored if the body names its event; possible; or impossible."""


class Provider(Struct, frozen=True, kw_only=True):
    """A provider's webhooks, as pure functions without I/O."""

    name: str
    title: str
    """The name as people write it, such as GitHub."""

    verify: Verify
    sign: Callable[[SignedRequest, Secret], Mapping[str, str]]
    """(request, secret) -> the headers that the provider would add to sign it. Its own `headers` may be signed
    too."""

    sign_body: Callable[[SignedRequest, Secret], bytes] = lambda request, _secret: request.body
    """(request, secret) -> its body with the signature, for providers that write the signature into the body. A
    body that cannot be signed is returned unchanged."""

    decode: Decode
    view: Callable[[bytes], Mapping[str, Any]]
    """The payload of a body with all its keys, as templates see it. Raises DecodeError."""

    excerpt: Callable[[Iterable[str]], Callable[[bytes], Mapping[str, Any]]] | None = None
    """(keys) -> a faster `view`, which may leave out other keys. None: there is no faster one."""

    sample: Callable[[int, str], bytes]
    """(number, event name) -> a body as the provider would send it; each number is a different event."""

    sample_headers: Callable[[int, str], Mapping[str, str]] = lambda _number, _event: {}
    """(number, event name) -> the headers beside the signature that the provider would send with that body."""

    sample_event: str
    """The event name of samples if none is asked for."""

    signature_headers: tuple[str, ...]
    """Headers with signatures or secrets, in lower case. They are never stored."""

    kept_headers: tuple[str, ...] = ()
    """Headers that name or identify the event, in lower case. They are stored with the body, 1 KB at most. An
    event is identified by what was signed; if only a header that is not signed identifies it, a comment in the
    provider's module says what a forged one can do."""

    check_secret: Callable[[Secret], str] = lambda _secret: ""
    """(secret) -> why the provider cannot have such a secret, and how to fix it; "" if it can. Never shows it."""

    new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    """A new secret for tries on one machine, which signs and verifies."""

    split: Callable[[bytes], Sequence[bytes]] | None = None
    """(body) -> the bodies of the events in it; None if each body is one event. Raises DecodeError. A body that it
    returned is returned again as the only one: `split(item) == [item]`."""

    handshake: Callable[[SignedRequest], Answer | None] | None = None
    """(request) -> the answer to a request that is not an event, None for an event. It is asked after the checks
    of address and signature; for another method than POST there is no signature to check, and None is answered
    405."""

    success_status: int = 202
    """The status that the provider takes as success."""

    success_body: bytes = b'{"status":"accepted"}'
    """The JSON that is answered with it; empty if the provider would show it to a person."""

    deadline_s: float = 10.0
    """Seconds that the provider waits for an answer."""

    authenticates: bool = True
    """False if `verify` accepts every request, so that the source needs `addresses` instead of secrets."""

    signs_url: bool = False
    """True if the signature covers the URL, so that `receiver.public_url` is needed."""

    payload_json: Callable[[bytes], bytes] = lambda _body: b""
    """A body -> the JSON text of its view, copied from the body without being encoded again; b"" if that is not
    possible, and then `view` raises the reason."""

    terms: Callable[[bytes], tuple[str, ...]] = lambda _body: ()
    """(body) -> its search terms: ids of event, customer, order and the like; e-mail addresses; phone numbers;
    voucher codes. The most specific first, at most MAX_TERMS, each normalized by `term` of
    sources/search_terms.py. Never raises, and works for bodies that do not decode or are not split."""

    customer: Callable[[bytes], str] = lambda _body: ""
    """(body) -> the provider's own id of the customer that the event is about, as it is written; "" for none. It
    is shown in lists, so it is no address and no name. Never raises, and works for bodies that do not decode."""

    known_terms: Callable[[Event, bytes], Sequence[str]] | None = None
    """(decoded event, its body) -> the most useful search terms, as they are written. The history finds each event
    by them, so this must be fast: it uses what `decode` has read. None: those of `terms`."""

    event_names: frozenset[str] = frozenset()
    """The event names that are known, or that have a model. Empty: every name counts as known."""

    url_event: Callable[[bytes, str], UrlEventUse] = lambda _body, _event: "ignored"
    """(body, event name in the URL or "") -> how the name fits; possible if that is not certain. Never raises."""

    model: Callable[[str, Any], Struct | None] = lambda _event, _payload: None
    """(event name, payload) -> the payload as the event's model; None without a model, or if the payload
    differs."""

    compare: Callable[[str, Mapping[str, Any]], Sequence[Finding]] = lambda _event, _payload: ()
    """(event name, payload) -> the differences from the model. Slow, so it is used for samples only."""

    addresses: Mapping[str, tuple[str, ...]] = {}
    """Addresses or networks from which webhooks are sent, by region. Empty: the provider publishes none."""

    retry_schedule_s: tuple[float, ...] = ()
    """Seconds after the first try at which the provider sends a failed webhook again. One time: only the end of
    the schedule is published. Empty: not known, or it does not retry by itself."""

    disabled_advice: str = ""
    """The advice for operators: what to turn on or send again, and where, after the last of these tries failed."""

    api: Api | None = None
    """The provider's API for data that a payload lacks; None if it is not supported."""

    def event(self, body: bytes, hint: str, headers: str) -> Event:
        """Decode a body with its stored headers, lines of `name: value`. Raises DecodeError."""
        return self.decode(body, hint, kept_headers(headers) if self.kept_headers else NO_HEADERS)
