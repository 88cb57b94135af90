"""Records logins in the audit log."""

from __future__ import annotations

import asyncio
import logging

from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from broker.redis.errors import BrokerError

_TIMEOUT_S = 1.0

log = logging.getLogger("hookline.inspector")


async def record_login(redis: Client, user: str) -> None:
    """Record that a user logged in. While Redis is away, the login is only in the log of this process."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await audit.record(redis, AuditEntry(user, "login"))
    except (BrokerError, TimeoutError) as error:
        log.warning(
            "cannot record the login of %s in the audit log: %s",
            user,
            str(error) or "Redis does not answer",
            extra={"action": "inspector_login_not_recorded", "user": user},
        )
