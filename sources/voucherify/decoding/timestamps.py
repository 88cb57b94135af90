"""Parses the timestamps of Voucherify."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def milliseconds(timestamp: object) -> int | None:
    """Milliseconds since 1970 (UTC), None for other values.

    Voucherify writes 3 digits, 6 digits or none after the second, and sometimes a space after each colon.
    """
    if not isinstance(timestamp, str):
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        if " " not in timestamp:
            return None
        return milliseconds(timestamp.replace(" ", ""))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // _MS
