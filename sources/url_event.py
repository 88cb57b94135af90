"""The event name in a webhook's URL: `?event=NAME`, or `?event=NAME&key=KEY`.

The signature covers the body alone. An attacker who recorded a request could send it again with other names, each
of which would be another event. So a name is accepted only if the body can have it, or if a key that is derived
from the source's secret authenticates it.
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
    """Checks the event name in the URL of a source, for bodies that do not name their event."""

    source: str
    kind: Provider
    names: tuple[str, ...] = ()
    """The accepted names; empty: those that the provider has."""

    secrets: tuple[Secret, ...] = ()
    """Secrets from which the key in the URL may be derived; empty if no key is needed."""

    def looks_at_body(self, event: str) -> bool:
        """True if the check of a request with this event name needs its body."""
        return bool(event or self.secrets)

    def fault(self, body: bytes, event: str, key: str) -> str:
        """Why a body with this URL is rejected, "" if it is accepted. Contains no text of the sender."""
        use = self.kind.url_event(body, event)
        if use == "ignored":
            return ""
        if self.secrets:
            return self._fault_of_key(event, key)
        if self.names and event not in self.names:
            return f"sources.{self.source}.events does not list the event in the URL"
        if not self.names and event not in self.kind.event_names:
            return (
                f"the event in the URL is unknown for {self.kind.name}: correct ?event=, "
                f"or list it in sources.{self.source}.events"
            )
        if use == "impossible":
            return "this body cannot be the event in the URL: correct ?event="
        return ""

    def _fault_of_key(self, event: str, key: str) -> str:
        if not event or (self.names and event not in self.names):
            return f"the URL must name an event that sources.{self.source} accepts: make it with hookline url"
        sent_key = key.encode("utf-8", "replace")
        expected = [url_key(secret, self.source, event).encode() for secret in self.secrets]
        if not any(hmac.compare_digest(expected_key, sent_key) for expected_key in expected):
            return "the key in the URL does not belong to its event: make the URL with hookline url"
        return ""


def url_key(secret: Secret, source: str, event: str) -> str:
    """The key in hex that authenticates an event name in a source's URL."""
    # Derived from the secret, so that it can never be the signature of a body.
    derived = hmac.digest(secret.reveal(), _PURPOSE, "sha256")
    return hmac.digest(derived, f"{source}\x1f{event}".encode(), "sha256")[:_KEY_BYTES].hex()


def query(event: str, secret: Secret, source: str) -> str:
    """The query string of a source's URL for an event, with its key."""
    return urlencode({"event": event, "key": url_key(secret, source, event)})
