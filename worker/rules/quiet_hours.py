"""The hours in which a rule does not notify. Pure arithmetic on clocks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from worker.rules.rules import QuietHours, Rule


class QuietTimes:
    """The quiet hours of all rules."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._of = {rule.name: Quiet(rule.quiet_hours) for rule in rules if rule.quiet_hours}

    def has(self, rule: str) -> bool:
        """Return whether the rule has quiet hours."""
        return rule in self._of

    def left_s(self, rule: str, now_s: float) -> int:
        """Whole seconds until the rule may notify; 0 where it may now."""
        quiet = self._of.get(rule)
        return quiet.left_s(now_s) if quiet else 0


class Quiet:
    """The quiet hours of one rule.

    Raises ValueError or KeyError for settings that `hookline check` refuses.
    """

    def __init__(self, settings: QuietHours) -> None:
        self._zone = ZoneInfo(settings.timezone)
        self._from = time.fromisoformat(settings.from_)
        self._to = time.fromisoformat(settings.to)

    def left_s(self, now_s: float) -> int:
        """Whole seconds from `now_s` (since 1970, UTC) to the end of the quiet hours; 0 outside of them.

        Local time counts. An hour that clocks run through twice is quiet twice; where clocks skip the end, quiet
        hours end later by the length of the gap.
        """
        now = datetime.fromtimestamp(now_s, UTC)
        local = now.astimezone(self._zone)
        clock = local.time()
        overnight = self._from >= self._to
        begun, ended = clock >= self._from, clock >= self._to
        is_quiet = begun or not ended if overnight else begun and not ended
        if not is_quiet:
            return 0
        day = local.date() + timedelta(days=1 if overnight and begun else 0)
        first, second = (
            datetime.combine(day, self._to, self._zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
        )
        end = first if first > now else second
        return int((end - now).total_seconds()) + 1
