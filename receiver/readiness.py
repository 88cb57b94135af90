"""Whether a load balancer should send webhooks here: every reason against it, in words."""

from __future__ import annotations

from receiver.store import Store

_FULL_FROM = 0.8
"""Share of a bound that counts as nearly reached."""


def reasons_against(store: Store, *, pending_bytes: int, max_pending_bytes: int, is_stopping: bool) -> list[str]:
    """Empty when ready."""
    found = ["the receiver is shutting down"] if is_stopping else []
    if store.fault:
        found.append(store.fault)
    if store.facts is not None:
        found += store.facts.risks()
        if store.facts.memory_used() >= _FULL_FROM:
            found.append(f"Redis uses {store.facts.memory_used():.0%} of its maxmemory: raise it, or add workers")
    if pending_bytes >= _FULL_FROM * max_pending_bytes:
        found.append(f"{pending_bytes} of {max_pending_bytes} bytes wait for Redis (receiver.max_pending_bytes)")
    return found
