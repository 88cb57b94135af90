"""Idempotency keys: the same for the same event and route, whatever happens in between."""

from __future__ import annotations

import hashlib


def idempotency_key(source: str, identity: str, label: str) -> str:
    """Of one notification; `identity`: of its event, or what the rule's `key` makes; `label`: see `Route`."""
    text = f"{source}\x1f{identity}\x1f{label}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
