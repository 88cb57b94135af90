"""GitLab: webhooks of projects and groups, with a signing token or a secret token.

docs.gitlab.com, "Webhooks". A signing token signs as Standard Webhooks defines. A secret token is sent as it is
in X-Gitlab-Token, and nothing is signed: anyone who has seen one request can forge every other. A source may
have both kinds of secrets while its webhooks move to the signing token.

The name of the event comes from the body, since X-Gitlab-Event is not signed. The identity is webhook-id, which
is signed where there is a signing token, and stays the same when GitLab sends the event again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from sources.errors import SignatureError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers import standard
from sources.providers.gitlab.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, view
from sources.shared.signature import NO_SECRET_MATCHES, required
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_TOKEN, _ID, _KEY = "x-gitlab-token", "webhook-id", "idempotency-key"

_REMEMBER_S = 86_400.0
"""Seconds for which an event without an id is remembered, from a version of GitLab that sends none."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the secret token, or time and signature. Raises SignatureError."""
    signing = [secret for secret in secrets if _signs(secret)]
    if _has_token(request, [secret.reveal() for secret in secrets if not _signs(secret)]):
        return
    if not signing:
        required(request, _TOKEN)
        raise SignatureError(NO_SECRET_MATCHES)
    # Standard Webhooks would accept the same signature in svix-* headers, and `decode` would not find its id.
    required(request, _ID)
    standard.verify(request, secrets=signing)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The headers of Standard Webhooks for a signing token, else the secret token itself."""
    if _signs(secret):
        return standard.sign(request, secret)
    return {_TOKEN: secret.reveal().decode("utf-8", "replace")}


def check_secret(secret: Secret) -> str:
    """Why a text cannot be a signing token; "" for one, and for a secret token, which may be any text."""
    if _signs(secret) and standard.check_secret(secret):
        return "not a signing token of GitLab: expected whsec_ and base64, as GitLab showed it"
    return ""


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
    """The event in a body; its name is `merge_request.open`, or `push` for a body without action."""
    content = parse_object(body)
    name = text_at(content, "object_kind") or text_at(content, "event_name")
    action = text_at(content, "object_attributes", "action") or text_at(content, "action")
    event_id = headers.get(_ID) or headers.get(_KEY)
    # Written as 2026-01-02T03:04:05Z or as 2026-01-02 03:04:05 UTC.
    updated = text_at(content, "object_attributes", "updated_at").replace(" UTC", "Z")
    return Event(
        name=f"{name}.{action}" if name and action else name or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        occurred_at_ms=milliseconds(updated),
        data=content,
        kind="event",
        remember_s=None if event_id else _REMEMBER_S,
    )


def sample(number: int, event: str) -> bytes:
    """A body of an event such as `merge_request.open`, with the keys that rules use most."""
    name, _, action = event.partition(".")
    url = "https://gitlab.example.com/shop/website"
    content: dict[str, Any] = {
        "object_kind": name,
        "project": {"id": 7, "path_with_namespace": "shop/website", "web_url": url},
        "user": {"id": 4, "username": "ada", "email": "ada@example.com"},
    }
    if name in ("push", "tag_push"):
        before, after = _sha(number - 1), _sha(number)
        content |= {"ref": "refs/heads/main", "before": before, "after": after, "total_commits_count": 1}
    elif name == "release":
        content |= {"action": action, "tag": f"v1.{number}", "name": f"Release 1.{number}"}
    else:
        content["object_attributes"] = {
            "id": number,
            "iid": number,
            "title": f"Sample {number}",
            "state": {"merge": "merged", "close": "closed"}.get(action, "opened"),
            **({"source_branch": "sample", "target_branch": "main"} if name == "merge_request" else {}),
            "updated_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            "url": f"{url}/-/{name}/{number}",
            **({"action": action} if action else {}),
        }
    return msgspec.json.encode(content)


def sample_headers(number: int, event: str) -> Mapping[str, str]:
    """The headers that name and identify a sample."""
    event_id = str(UUID(bytes=hashlib.blake2b(f"{event}/{number}".encode(), digest_size=16).digest()))
    name = event.partition(".")[0].replace("_", " ").title()
    return {_ID: event_id, _KEY: event_id, "x-gitlab-event": f"{name} Hook"}


def _sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]


def _signs(secret: Secret) -> bool:
    return secret.reveal().startswith(b"whsec_")


def _has_token(request: SignedRequest, tokens: Sequence[bytes]) -> bool:
    sent = (request.headers.get(_TOKEN) or "").encode("utf-8", "surrogatepass")
    has_token = False
    for token in tokens:
        has_token |= hmac.compare_digest(token, sent)
    return has_token


_TYPED = TypedEvents(MODELS)

GITLAB = Provider(
    name="gitlab",
    title="GitLab",
    verify=verify,
    sign=sign,
    check_secret=check_secret,
    new_secret=standard.new_secret,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=sample_headers,
    sample_event="merge_request.open",
    signature_headers=("webhook-signature", _TOKEN),
    kept_headers=(_ID, _KEY),
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("path_with_namespace", "tag", "username", "after", "iid", "checkout_sha"),
)
"""GitLab publishes no retry schedule. After 4 failures in a row it sends nothing for some time, after 40 never."""
