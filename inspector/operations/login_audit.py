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
    """Record that a user signed in from an address. While Redis is away, only the log of this process has it."""
    user = user_for_log(identity.name)
    log.info(
        "%s logged in from %s by %s",
        user,
        address,
        identity.how,
        extra={"action": "inspector_login", "user": user, "address": address, "how": identity.how},
    )
    details = {"how": identity.how, **({"subject": identity.subject} if identity.subject else {})}
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await audit.record(redis, AuditEntry(identity.name, "login", details=details))
    except (BrokerError, TimeoutError) as error:
        log.warning(
            "cannot record the login of %s in the audit log: %s",
            user,
            str(error) or "Redis does not answer",
            extra={"action": "inspector_login_not_recorded", "user": user},
        )


def user_for_log(name: str) -> str:
    """The name of a user as the log may have it: without e-mail addresses, by which proxies may name users."""
    return masked_emails(name, MASK)
