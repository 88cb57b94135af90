"""Conditions under which dead letters raise an alert, computed from facts and a time alone."""

from __future__ import annotations

from broker.dead_letters import DeadLetter, died_at_intake
from broker.queue.batch import RawBody
from worker.monitoring.dead_letter_conditions import (
    DeadFacts,
    NewGroup,
    count_alerts,
    end_text,
    has_ended,
    new_groups_alert,
    purged_alert,
)
from worker.settings import AlertSettings

NOW = 1_795_000_000_000
RATE, TOTAL = AlertSettings(dead_per_minute=2.0), AlertSettings(dead_total=100)


def found(settings: AlertSettings, *, letters: int = 0, died: int = 0) -> dict[str, str]:
    facts = DeadFacts(letters=letters, died=died)
    return {alert.name: alert.text for alert in count_alerts(facts, settings, NOW)}


def letter(event: str = "order.created", path: str = "$.amount") -> DeadLetter:
    body = RawBody(1, "shop", event, b"{}")
    return died_at_intake(
        body,
        reason="undecodable",
        error="Expected `int`, got `ann@example.com`",
        error_class="ValidationError",
        path=path,
    ).letter


def test_without_configured_limits_no_number_of_dead_letters_raises_an_alert() -> None:
    assert not found(AlertSettings(), letters=10**6, died=10**6)


def test_the_rate_is_an_average_of_five_minutes_and_the_bound_itself_is_too_many() -> None:
    assert not found(RATE, died=9)
    assert list(found(RATE, died=10)) == ["dead_rate:"]
    assert "10 dead letters in the last 5 minutes" in found(RATE, died=10)["dead_rate:"]
    assert list(found(AlertSettings(dead_per_minute=0.1), died=1)) == ["dead_rate:"]


def test_the_total_counts_the_dead_letters_that_exist_now() -> None:
    assert not found(TOTAL, letters=99, died=10**6)
    assert "100 dead letters stored" in found(TOTAL, letters=100)["dead_total:"]


def test_an_alert_whose_condition_ended_is_over() -> None:
    facts = DeadFacts(letters=100, died=10)
    holding = {alert.name: alert for alert in count_alerts(facts, TOTAL, NOW)}
    [total] = holding.values()
    [rate] = count_alerts(facts, RATE, NOW)
    assert not has_ended(total, facts, holding)
    assert has_ended(rate, facts, holding) and "no longer too many" in end_text(rate, facts)
    new = new_groups_alert([NewGroup("ab12", letter())], NOW)
    assert not has_ended(new, facts, {})
    assert has_ended(new, DeadFacts(letters=0, died=10), {})
    assert end_text(new, facts) == "no dead letter is left"
    assert not has_ended(purged_alert(3, NOW), DeadFacts(letters=0, died=0), {})


def test_the_alert_of_a_new_group_has_its_dimensions_and_no_error_or_body() -> None:
    alert = new_groups_alert([NewGroup("ab12", letter())], NOW)
    for part in ("stage intake", "source shop", "event order.created", "reason undecodable", "path $.amount"):
        assert part in alert.text
    assert "error class ValidationError" in alert.text
    assert "ann@example.com" not in f"{alert.text}{alert.data}"
    assert alert.data["groups"][0]["path"] == "$.amount"


def test_many_new_groups_are_one_message_that_names_the_first() -> None:
    groups = [NewGroup(f"g{number}", letter(f"event.{number}")) for number in range(8)]
    alert = new_groups_alert(groups, NOW)
    assert alert.text.startswith("8 new groups of dead letters")
    assert "event.4" in alert.text and "event.5" not in alert.text and "and 3 more" in alert.text
    assert (alert.data["new"], len(alert.data["groups"])) == (8, 5)


def test_a_group_whose_letter_was_removed_is_reported_by_its_fingerprint() -> None:
    assert "ab12" in new_groups_alert([NewGroup("ab12", None)], NOW).text


def test_names_from_outside_are_cut_and_made_printable() -> None:
    text = new_groups_alert([NewGroup("ab12", letter("x\x1b[31m\n" + "y" * 500))], NOW).text
    assert text.isprintable() and len(text) < 400


def test_purged_letters_are_reported_by_their_number() -> None:
    assert "2 dead letters were deleted" in purged_alert(2, NOW).text
    assert "1 dead letter was deleted" in purged_alert(1, NOW).text
