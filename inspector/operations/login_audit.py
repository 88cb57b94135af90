"""Records logins in the audit log and in the log of this process."""

from __future__ import annotations

import asyncio
import logging

from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.privacy.masking import MASK
from inspector.privacy.text_patterns import masked_emails
from inspector.sign_in.identity import Identity

_TIMEOUT_S = 1.0

log = logging.getLogger("hookline.inspector")


async def record_login(redis: Client, identity: Identity, address: str) -> None:
    """Record that a user signed in from an address. While Redis is away, only the log of this process has it.

    A proxy may name users by their e-mail addresses, which the log leaves out.
    """
    user = masked_emails(identity.name, MASK)
    log.info(
        "%s logged in from %s by %s",
        user,
        address,
        identity.how,
        extra={"action": "inspector_login", "user": user, "address": address, "how": identity.how},
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await audit.record(redis, AuditEntry(identity.name, "login", details={"how": identity.how}))
    except (BrokerError, TimeoutError) as error:
        log.warning(
            "cannot record the login of %s in the audit log: %s",
            user,
            str(error) or "Redis does not answer",
            extra={"action": "inspector_login_not_recorded", "user": user},
        )
