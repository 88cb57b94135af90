"""Logs when Redis, or one of several partitions, stops or starts to accept webhooks."""

from __future__ import annotations

import logging

from receiver.storage.redis_writer import RedisWriter
from receiver.storage.webhook_storage import WebhookStorage

log = logging.getLogger("hookline.receiver")


class StorageLog:
    """Remembers what was logged, so that each change is logged once."""

    def __init__(self, storage: WebhookStorage) -> None:
        self._storage = storage
        self._fault = ""
        self._unknowns: set[str] = set()
        self._left_out: dict[int, str] = {}  # by the number of the partition: why it gets no webhooks

    def log_changes(self) -> None:
        """Log what has changed since the last call."""
        self._log_fault()
        if len(self._storage.writers.all) > 1:
            self._log_partitions()
        self._log_unknowns()

    def _log_fault(self) -> None:
        """Log why Redis accepts no webhooks, once for each reason; /readyz shows only the public part."""
        error = self._storage.writers.error
        brief = error.brief if error else ""
        if brief == self._fault:
            return
        self._fault = brief
        if error is None:
            log.info("Redis accepts webhooks", extra={"action": "receiver_ready"})
            return
        log.warning(
            "webhooks are %s for now: %s",
            "spilled to disk" if self._storage.fallback else "answered 503",
            error,
            extra={"action": "receiver_not_ready", "reason": str(error)},
        )

    def _log_partitions(self) -> None:
        """Log which partitions get no webhooks, one line for each reason, and which get them again."""
        now = {writer.redis.partition: _reason(writer) for writer in self._storage.writers.all}
        changed: dict[str, list[int]] = {}
        for number, reason in now.items():
            if reason != self._left_out.get(number, ""):
                changed.setdefault(reason, []).append(number)
        self._left_out = now
        for reason, numbers in changed.items():
            names = ", ".join(map(str, numbers))
            if reason:
                text, level, action = (
                    f"partition {names} gets no webhooks while another takes them: {reason}",
                    logging.WARNING,
                    "left_out",
                )
            else:
                text, level, action = f"partition {names} gets webhooks again", logging.INFO, "back"
            log.log(level, "%s", text, extra={"action": f"partition_{action}", "partitions": numbers})

    def _log_unknowns(self) -> None:
        """Log what Redis does not report or refuses to measure, once each."""
        for unknown in self._storage.unknowns():
            if unknown not in self._unknowns:
                self._unknowns.add(unknown)
                log.warning("%s", unknown, extra={"action": "redis_fact_unknown"})


def _reason(writer: RedisWriter) -> str:
    """Return why a partition gets no webhooks, "" if it gets them."""
    if writer.error is not None:
        return str(writer.error)
    return "; ".join(writer.facts.risks()) if writer.facts is not None else ""
