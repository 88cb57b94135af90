"""The interface that every provider's package implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from sources.api import Api
from sources.drift_finding import Finding
from sources.event import Event
from sources.secret import Secret


class Verify(Protocol):
    """Checks a signature over the raw bytes in constant time; raises SignatureError."""

    def __call__(self, body: bytes, signature: str | None, *, secrets: Sequence[Secret]) -> None:
        """Return if the signature is valid, else raise SignatureError."""
        ...


UrlEventUse = Literal["ignored", "possible", "impossible"]
"""How an event name in the URL fits a body: ignored if the body names its event; possible; or impossible."""


class Provider(Struct, frozen=True):
    """A provider's webhooks, as pure functions without I/O."""

    name: str
    signature_header: str
    sign: Callable[[bytes, Secret], str]
    verify: Verify
    decode: Callable[[bytes, str], Event]
    """(body, event name in the URL or "") -> Event. Raises only DecodeError."""

    view: Callable[[bytes], Mapping[str, Any]]
    """The payload of a body with all its keys, as templates see it. Raises DecodeError."""

    sample: Callable[[int, str], bytes]
    """(number, event name) -> a body as the provider would send it; each number is a different event."""

    payload_json: Callable[[bytes], bytes] = lambda _body: b""
    """A body -> the JSON text of its view, copied from the body without being encoded again; b"" if that is not
    possible, and then `view` raises the reason."""

    terms: Callable[[bytes], tuple[str, ...]] = lambda _body: ()
    """(body) -> its search terms: ids of event, customer, order and the like; e-mail addresses; phone numbers;
    voucher codes. The most specific first, at most MAX_TERMS, each normalized by `term` of
    sources/search_terms.py. Never raises, and works for bodies that do not decode."""

    event_names: frozenset[str] = frozenset()
    """The event names that have a model."""

    url_event: Callable[[bytes, str], UrlEventUse] = lambda _body, _event: "possible"
    """(body, event name in the URL or "") -> how the name fits; possible if that is not certain. Never raises."""

    model: Callable[[str, Any], Struct | None] = lambda _event, _payload: None
    """(event name, payload) -> the payload as the event's model; None without a model, or if the payload
    differs."""

    compare: Callable[[str, Mapping[str, Any]], Sequence[Finding]] = lambda _event, _payload: ()
    """(event name, payload) -> the differences from the model. Slow, so it is used for samples only."""

    addresses: Mapping[str, tuple[str, ...]] = {}
    """Addresses or networks from which webhooks are sent, by region. Empty: the provider publishes none."""

    retry_schedule_s: tuple[float, ...] = ()
    """Seconds after the first try at which the provider sends a failed webhook again. Empty: it never gives up."""

    disabled_advice: str = ""
    """The advice for operators: what to turn on again, and where, after the last of these tries failed."""

    api: Api | None = None
    """The provider's API for data that a payload lacks; None if it is not supported."""
