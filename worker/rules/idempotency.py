"""Idempotency keys: the same event and route always have the same key, across retries and replays."""

from __future__ import annotations

import hashlib


def idempotency_key(source: str, identity: str, label: str) -> str:
    """The key of one notification; `identity`: that of its event, or the rule's `key`; `label`: see `Route`."""
    text = f"{source}\x1f{identity}\x1f{label}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
