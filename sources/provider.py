"""The contract that a provider's package fulfils."""

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
        """Pass or raise."""
        ...


UrlEventUse = Literal["ignored", "possible", "impossible"]
"""What an event name in the URL is to a body: of no account, as the body names its event; possible; or a name that
the body cannot have."""


class Provider(Struct, frozen=True):
    """One provider's webhooks, as pure functions without I/O."""

    name: str
    signature_header: str
    sign: Callable[[bytes, Secret], str]
    verify: Verify
    decode: Callable[[bytes, str], Event]
    """(body, event name hinted by the URL or "") -> Event. Raises DecodeError and nothing else."""

    view: Callable[[bytes], Mapping[str, Any]]
    """The body as what templates see: every key of the payload. Raises DecodeError."""

    sample: Callable[[int, str], bytes]
    """(number, event name) -> a body as the provider would send it; another number is another event."""

    payload_json: Callable[[bytes], bytes] = lambda _body: b""
    """A body -> the JSON of its view as it stands in the body, valid, to be passed on without being made again;
    b"" where there is none such: `view` tells why."""

    terms: Callable[[bytes], tuple[str, ...]] = lambda _body: ()
    """(body) -> what people may look for it by: ids of event, customer, order and the like; e-mail addresses;
    phone numbers; voucher codes. The most telling first, at most MAX_TERMS, each its own `term`, see
    sources/search_terms.py. Never raises; also for bodies that do not decode."""

    event_names: frozenset[str] = frozenset()
    """The event names that have a model."""

    url_event: Callable[[bytes, str], UrlEventUse] = lambda _body, _event: "possible"
    """(body, event name in the URL or "") -> what that name is to the body; in doubt it is possible. Never
    raises."""

    model: Callable[[str, Any], Struct | None] = lambda _event, _payload: None
    """(event name, payload) -> the payload as the event's model, None where it has none or does not fit it."""

    compare: Callable[[str, Mapping[str, Any]], Sequence[Finding]] = lambda _event, _payload: ()
    """(event name, payload) -> where it deviates from the model. Slow: for samples."""

    addresses: Mapping[str, tuple[str, ...]] = {}
    """The addresses or networks that webhooks are sent from, by region name. Empty: the provider tells none."""

    retry_schedule_s: tuple[float, ...] = ()
    """Seconds after the first try at which the provider sends a failed webhook again. Empty: it never gives up."""

    disabled_advice: str = ""
    """What a person has to switch on again, and where, once the last of these tries has failed too."""

    api: Api | None = None
    """How the provider is asked for what a payload lacks; None where that is not known."""
