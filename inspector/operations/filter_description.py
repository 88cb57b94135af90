"""What a filter selects, as people say it."""

from __future__ import annotations

from datetime import UTC, datetime

from inspector.operations.search import Filter

_NAMED = {
    "source": "of source {}",
    "stage": "that died at {}",
    "reason": "with reason {}",
    "error_class": "with error {}",
    "channel": "for channel {}",
    "rule": "of rule {}",
    "event": "of event {}",
    "fingerprint": "of group {}",
}

_LATEST_MS = 253_402_300_799_000


def in_words(wanted: Filter, *, hide_search: bool = False) -> str:
    """`all dead letters`, `dead letters of source voucherify, with reason exhausted, since 2026-01-31 12:00 UTC`.

    `hide_search`: for eyes other than those of who searched: it is somebody's e-mail address, perhaps.
    """
    said = [words.format(getattr(wanted, name)) for name, words in _NAMED.items() if getattr(wanted, name)]
    said += _attempts(wanted.min_attempts, wanted.max_attempts)
    if wanted.since_ms:
        said.append(f"since {_time(wanted.since_ms)}")
    if wanted.until_ms:
        said.append(f"until {_time(wanted.until_ms)}")
    if wanted.search:
        said.append(f"found by {'***' if hide_search else wanted.search}")
    return f"dead letters {', '.join(said)}" if said else "all dead letters"


def _attempts(least: int, most: int) -> list[str]:
    if most >= 0:
        return [f"after {least} to {most} attempts" if least else f"after at most {most} attempts"]
    return [f"after {least} attempts or more"] if least else []


def _time(ms: int) -> str:
    return datetime.fromtimestamp(min(ms, _LATEST_MS) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
