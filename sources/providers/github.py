"""GitHub: webhooks of repositories, organizations and apps.

docs.github.com, "Validating webhook deliveries" and "Best practices for using webhooks". The signature is
HMAC-SHA256 of the body, without a time. The name of the event is in X-GitHub-Event, and no body has an id of its
own.

Only the body is signed. Two different events may have equal bodies, so the body alone cannot identify the event:
the second one would be lost. The identity is X-GitHub-Delivery, which a redelivery keeps, together with a hash of
the body. X-GitHub-Delivery is not signed: with a forged one, a recorded genuine request looks like a new event,
and with a forged X-GitHub-Event it looks like an event of another name. It can never make the event of another
body look like a duplicate, since the hash differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.json_body import hash_of, parse_object, text_at, view
from sources.shared.signature import after_prefix, check_hmac, hmac_text, in_hex, required
from sources.shared.terms import terms_of_keys
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE, _EVENT, _DELIVERY = "x-hub-signature-256", "x-github-event", "x-github-delivery"
_PREFIX = "sha256="

_REDELIVERABLE_S = 3 * 86_400.0
"""Seconds for which people can ask GitHub to deliver a webhook again."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature of the body. Raises SignatureError."""
    signature = after_prefix(_SIGNATURE, required(request, _SIGNATURE), _PREFIX)
    check_hmac(request.body, [signature], (secret.reveal() for secret in secrets))


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of a body."""
    return {_SIGNATURE: _PREFIX + hmac_text(secret.reveal(), request.body, encode=in_hex)}


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
    """The event in a body; its name is `release.published`, or `push` for a body without action."""
    if body.startswith(b"payload="):
        raise DecodeError(
            "a form, not JSON: set Content type to application/json in the webhook's settings at GitHub"
        )
    content = parse_object(body)
    name = headers.get(_EVENT) or hint or UNKNOWN
    action = text_at(content, "action")
    delivery = headers.get(_DELIVERY)
    return Event(
        name=f"{name}.{action}" if action and headers.get(_EVENT) else name,
        identity="\x1f".join(filter(None, (delivery, hash_of(body)))),
        occurred_at_ms=None,
        data=content,
        kind="event",
        remember_s=None if delivery else _REDELIVERABLE_S,
    )


def sample(number: int, event: str) -> bytes:
    """A body of an event such as `release.published`, with the keys that rules use most."""
    name, _, action = event.partition(".")
    moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    user = {"login": "octocat", "id": 583231, "type": "User"}
    repository = {
        "id": 1296269,
        "name": "hello-world",
        "full_name": "octocat/hello-world",
        "private": False,
        "owner": user,
        "html_url": "https://github.com/octocat/hello-world",
        "default_branch": "main",
    }
    content: dict[str, Any] = {"repository": repository, "sender": user}
    subject: dict[str, Any] = {
        "id": number,
        "number": number,
        "title": f"Sample {number}",
        "html_url": f"https://github.com/octocat/hello-world/{name}/{number}",
        "user": user,
        "created_at": moment,
    }
    if name == "push":
        commit = hashlib.sha256(str(number).encode()).hexdigest()[:40]
        content |= {
            "ref": "refs/heads/main",
            "after": commit,
            "pusher": {"name": "octocat", "email": "octocat@github.com"},
        }
    elif name == "ping":
        content |= {"zen": "Keep it logically awesome.", "hook_id": number}
    elif name == "release":
        content[name] = subject | {
            "tag_name": f"v1.{number}",
            "name": f"Release 1.{number}",
            "published_at": moment,
        }
    else:
        content[{"issues": "issue"}.get(name, name)] = subject
    return msgspec.json.encode(({"action": action} if action else {}) | content)


def sample_headers(number: int, event: str) -> Mapping[str, str]:
    """The headers that name and identify a sample."""
    seed = hashlib.blake2b(f"{event}/{number}".encode(), digest_size=16).digest()
    return {
        _EVENT: event.partition(".")[0],
        _DELIVERY: str(UUID(bytes=seed)),
        "user-agent": "GitHub-Hookshot/sample",
    }


GITHUB = Provider(
    name="github",
    title="GitHub",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=sample_headers,
    sample_event="release.published",
    signature_headers=(_SIGNATURE, "x-hub-signature"),
    kept_headers=(_EVENT, _DELIVERY),
    terms=terms_of_keys("full_name", "tag_name", "login", "after", "number"),
)
"""GitHub never sends a failed webhook again by itself, so it has no retry schedule."""
