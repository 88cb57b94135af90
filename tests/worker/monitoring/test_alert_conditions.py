"""Conditions under which a source raises an alert, computed from facts and a time alone."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.monitoring.alerts import Alert
from broker.monitoring.source_health import SourceFacts
from sources.voucherify import VOUCHERIFY
from sources.voucherify.retry_schedule import RETRY_SCHEDULE_S
from worker.monitoring.source_conditions import end_text, source_alerts
from worker.worker_source import WorkerSource

NOW = 1_795_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SOURCE = WorkerSource(VOUCHERIFY, 7)


def found(facts: SourceFacts, source: WorkerSource = SOURCE, now_ms: int = NOW) -> dict[str, Alert]:
    return {alert.kind: alert for alert in source_alerts("shop", source, facts, now_ms)}


def failing(age_ms: int) -> SourceFacts:
    return SourceFacts(
        failing_since_ms=NOW - age_ms, failing_last_ms=NOW - 1000, failing_answers=7, failing_status=503
    )


def refused(age_ms: int, answers: int, last_ago_ms: int) -> SourceFacts:
    return SourceFacts(
        refused_since_ms=NOW - age_ms,
        refused_last_ms=NOW - last_ago_ms,
        refused_answers=answers,
        refused_status=401,
    )


def test_a_healthy_source_raises_no_alert() -> None:
    assert not found(SourceFacts())
    assert not found(SourceFacts(last_accepted_ms=NOW - DAY, watched_since_ms=NOW - DAY))


def test_an_outage_of_two_minutes_raises_an_alert_and_a_short_one_does_not() -> None:
    assert not found(failing(MINUTE))
    alert = found(failing(2 * MINUTE))["outage"]
    assert "about 10 tries (until" in alert.text
    assert "7 were answered" in alert.text and "503" in alert.text
    assert alert.since_ms == NOW - 2 * MINUTE


def test_the_alert_of_an_outage_beyond_the_last_retry_names_the_setting_to_enable() -> None:
    assert "Project settings" in found(failing(25 * HOUR))["outage"].text


def test_a_past_outage_beyond_the_last_retry_is_reported_for_a_day() -> None:
    ended = SourceFacts(outage_since_ms=NOW - 26 * HOUR, outage_until_ms=NOW - HOUR, last_accepted_ms=NOW)
    alert = found(ended)["disabled"]
    assert "Project settings" in alert.text
    assert alert.ends_ms == NOW + 23 * HOUR
    assert not found(ended, now_ms=alert.ends_ms)
    short = msgspec.structs.replace(ended, outage_since_ms=NOW - 20 * HOUR)
    assert not found(short)


def test_one_forged_request_raises_no_alert() -> None:
    for age_ms in (0, MINUTE, 6 * MINUTE, HOUR, DAY):
        assert not found(refused(age_ms, 1, age_ms))
        assert not found(refused(age_ms, 1, 0))


def test_a_burst_of_forged_requests_is_soon_forgotten() -> None:
    assert "refused" in found(refused(6 * MINUTE, 1000, 0))
    assert not found(refused(30 * MINUTE, 1000, 24 * MINUTE))


@given(st.integers(5 * MINUTE, 23 * HOUR))
def test_a_rotated_secret_is_reported_as_long_as_one_webhook_is_retried(age_ms: int) -> None:
    tries_ms = [0, *(int(at_s * 1000) for at_s in RETRY_SCHEDULE_S)]
    made = [at_ms for at_ms in tries_ms if at_ms <= age_ms - 30_000]  # the provider may be half a minute late
    facts = refused(age_ms, len(made), age_ms - made[-1])
    alert = found(facts)["refused"]
    assert "secrets" in alert.text and "tries" in alert.text.replace("1 try", "tries")


def test_silence_raises_an_alert_only_where_webhooks_are_expected() -> None:
    facts = SourceFacts(last_accepted_ms=NOW - 61_000, watched_since_ms=NOW - DAY)
    hourly, minutely = (WorkerSource(VOUCHERIFY, 7, expect_every_s=every_s) for every_s in (3600.0, 60.0))
    assert not found(facts)
    assert not found(facts, hourly)
    assert found(facts, minutely)["silence"].since_ms == NOW - 61_000


def test_silence_of_a_source_that_never_had_a_webhook_counts_from_the_first_look() -> None:
    expecting = WorkerSource(VOUCHERIFY, 7, expect_every_s=60.0)
    assert not found(SourceFacts(), expecting)
    assert not found(SourceFacts(watched_since_ms=NOW - 60_000), expecting)
    assert "silence" in found(SourceFacts(watched_since_ms=NOW - 60_001), expecting)


def test_the_alert_of_a_day_of_silence_advises_to_check_whether_the_webhook_is_disabled() -> None:
    expecting = WorkerSource(VOUCHERIFY, 7, expect_every_s=60.0)
    assert "Project settings" not in found(SourceFacts(last_accepted_ms=NOW - HOUR), expecting)["silence"].text
    assert "Project settings" in found(SourceFacts(last_accepted_ms=NOW - 25 * HOUR), expecting)["silence"].text


def test_the_end_of_an_alert_states_whether_webhooks_are_accepted_again() -> None:
    alert = found(failing(HOUR))["outage"]
    assert "accepted again" in end_text(alert, SourceFacts(last_accepted_ms=NOW))
    assert "no longer" in end_text(alert, SourceFacts(last_accepted_ms=NOW - 2 * HOUR))
