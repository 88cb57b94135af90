"""The event name in a webhook's URL: `?event=NAME`, or `?event=NAME&key=KEY`.

The signature covers the body alone. Whoever recorded one request could send it again under other names, and each
would be another event. So a name is taken only where the body can have it, or where a key made from the source's
secret vouches for it.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

from msgspec import Struct

from sources.provider import Provider
from sources.secret import Secret

_PURPOSE = b"hookline: event name in a URL"
_KEY_BYTES = 16


class UrlEvents(Struct, frozen=True):
    """Which event names the URL of a source may give to bodies that do not name their event."""

    source: str
    kind: Provider
    names: tuple[str, ...] = ()
    """The only names that are taken; empty: those that the kind has."""

    secrets: tuple[Secret, ...] = ()
    """Secrets of which one must have made the key in the URL; empty where no key is needed."""

    def looks_at_body(self, event: str) -> bool:
        """Whether a request with this event name in its URL can only be judged with its body."""
        return bool(event or self.secrets)

    def fault(self, body: bytes, event: str, key: str) -> str:
        """Why a body with this URL is refused, "" where it is taken. Never holds what the sender wrote."""
        use = self.kind.url_event(body, event)
        if use == "ignored":
            return ""
        if self.secrets:
            return self._fault_of_key(event, key)
        if self.names and event not in self.names:
            return f"sources.{self.source}.events does not list the event in the URL"
        if not self.names and event not in self.kind.event_names:
            return (
                f"the event in the URL is none of {self.kind.name}'s: correct ?event=, "
                f"or list it in sources.{self.source}.events"
            )
        if use == "impossible":
            return "this body cannot be the event in the URL: correct ?event="
        return ""

    def _fault_of_key(self, event: str, key: str) -> str:
        if not event or (self.names and event not in self.names):
            return f"the URL must name an event that sources.{self.source} takes: make it with hookline url"
        given = key.encode("utf-8", "replace")
        expected = [url_key(secret, self.source, event).encode() for secret in self.secrets]
        if not any(hmac.compare_digest(one, given) for one in expected):
            return "the key in the URL does not belong to its event: make the URL with hookline url"
        return ""


def url_key(secret: Secret, source: str, event: str) -> str:
    """The key that vouches for an event name in a source's URL: hex.

    It is made with a key derived from the secret, so that it is never the signature of a body.
    """
    derived = hmac.digest(secret.reveal(), _PURPOSE, "sha256")
    return hmac.digest(derived, f"{source}\x1f{event}".encode(), "sha256")[:_KEY_BYTES].hex()


def query(event: str, secret: Secret, source: str) -> str:
    """The query of a source's URL for an event, with its key."""
    return urlencode({"event": event, "key": url_key(secret, source, event)})
