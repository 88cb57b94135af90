"""Templates over payloads: what they see, what they may do, and how they write numbers and dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from worker.rules.render import Renderer
from worker.rules.rules import Rule
from worker.templates.template import RenderError, seen_by_templates


def renderer(**settings: Any) -> Renderer:
    return Renderer([Rule(name="r", events=("*",), channel="c", **settings)])


def text(template: str, payload: dict[str, Any] | None = None, **settings: Any) -> str:
    seen = seen_by_templates(payload or {}, event="order.paid", source="shop")
    return renderer(text=template, **settings).render("r", seen).text


def error(template: str, payload: dict[str, Any] | None = None) -> str:
    with pytest.raises(RenderError) as raised:
        text(template, payload)
    return str(raised.value)


def test_templates_see_the_payloads_keys_and_event_source_and_data() -> None:
    assert text("{{ a.b }} {{ event }} {{ source }} {{ data.a.b }}", {"a": {"b": 1}}) == "1 order.paid shop 1"


def test_a_key_of_the_payload_wins_over_what_hookline_adds() -> None:
    assert text("{{ event }} {{ source }} {{ data }}", {"event": "e", "source": "s", "data": "d"}) == "e s d"


def test_a_missing_field_is_named_unless_the_template_gives_a_default() -> None:
    assert (
        error("{{ customer.emial }}", {"customer": {}})
        == "text of rule 'r': 'dict object' has no attribute 'emial'; it has no keys"
    )
    assert text("{{ customer.emial | default('absent') }}", {"customer": {}}) == "absent"


@pytest.mark.parametrize("filtered", ["missing | number", "missing | date", "missing | money('EUR')"])
def test_a_missing_field_is_named_behind_a_filter_too(filtered: str) -> None:
    assert error("{{ " + filtered + " }}").startswith("text of rule 'r': 'missing' is undefined; the keys are ")


def test_every_part_is_rendered_and_only_html_is_escaped() -> None:
    seen = seen_by_templates({"name": "<Ada> & Co"}, event="e", source="s")
    made = renderer(text="{{ name }}", subject="{{ name }}", to="{{ name }}", html="<b>{{ name }}</b>").render(
        "r", seen
    )

    assert (made.text, made.subject, made.to) == ("<Ada> & Co",) * 3
    assert made.html == "<b>&lt;Ada&gt; &amp; Co</b>"


@pytest.mark.parametrize("what", ["subject", "to"])
@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x0b"])
def test_subject_and_to_are_one_line(what: str, end: str) -> None:
    seen = seen_by_templates({"name": f"Ada{end}Bcc: all@example.com"}, event="e", source="s")
    with pytest.raises(RenderError, match=f"^{what} of rule 'r': it must be one line$"):
        renderer(**{what: "{{ name }}"}).render("r", seen)
    assert renderer(subject="\n  Hello\n").render("r", seen).subject == "Hello"


@pytest.mark.parametrize("template", ["{{ ''.__class__.__mro__ }}", "{{ data.update({'a': 1}) }}"])
def test_a_template_can_neither_leave_its_sandbox_nor_change_the_payload(template: str) -> None:
    assert error(template, {"a": 0}).startswith("text of rule 'r': ")


@pytest.mark.parametrize(
    ("template", "locale", "written"),
    [
        ("{{ 1234567.891 | number }}", "en", format_decimal(Decimal("1234567.891"), locale="en")),
        ("{{ 1234567.891 | number }}", "de", format_decimal(Decimal("1234567.891"), locale="de")),
        ("{{ 1234.5 | number(locale='de-CH') }}", "en", format_decimal(Decimal("1234.5"), locale="de_CH")),
        ("{{ '2641' | number }}", "fr_FR", format_decimal(2641, locale="fr_FR")),
        ("{{ 0 | number }}", "en", "0"),
        ("{{ (123450 / 100) | money('EUR') }}", "en", format_currency(1234.5, "EUR", locale="en")),
        (
            "{{ (123450 / 100) | money('EUR') }}",
            "de_DE",
            format_currency(1234.5, "EUR", locale="de_DE"),
        ),
        ("{{ 500 | money('JPY') }}", "en", format_currency(500, "JPY", locale="en")),
        ("{{ 0.25 | percent }}", "de", format_percent(Decimal("0.25"), locale="de")),
    ],
)
def test_numbers_and_money_are_written_as_in_the_locale(template: str, locale: str, written: str) -> None:
    assert text(template, locale=locale) == written


@pytest.mark.parametrize(
    "moment",
    ["2026-03-01T23:30:00.000Z", "2026-03-01T23:30:00+00:00", "2026-03-02T00:30:00+01:00", "2026-03-01T23:30:00"],
)
@pytest.mark.parametrize("epoch", [None, 1772407800, 1772407800000, 1772407800.0])
def test_iso_texts_and_epochs_are_formatted_in_the_time_zone(moment: object, epoch: object) -> None:
    payload, march_2 = {"at": epoch or moment}, date(2026, 3, 2)

    assert text("{{ at | datetime(format='yyyy-MM-dd HH:mm') }}", payload) == "2026-03-01 23:30"
    assert (
        text("{{ at | date }} {{ at | time }}", payload, locale="de", timezone="Europe/Berlin")
        == f"{format_date(march_2, locale='de')} {format_time(time(0, 30), 'short', locale='de')}"
    )
    assert text("{{ at | date(timezone='Asia/Tokyo', format='full') }}", payload) == format_date(
        march_2, "full", locale="en"
    )


def test_a_rules_locale_and_zone_are_the_templates_and_a_filters_own_win() -> None:
    payload = {"at": "2026-07-01T12:00:00Z"}
    result = text(
        "{{ at | datetime }}|{{ at | datetime(format='short', locale='en_US', timezone='America/New_York') }}",
        payload,
        locale="de_DE",
        timezone="Europe/Berlin",
    )
    berlin = format_datetime(datetime(2026, 7, 1, 14, tzinfo=UTC), locale="de_DE")
    new_york = format_datetime(datetime(2026, 7, 1, 8, tzinfo=UTC), "short", locale="en_US")
    assert result == f"{berlin}|{new_york}"


def test_a_day_stays_that_day_in_every_zone() -> None:
    assert text("{{ '2026-03-01' | date }}", timezone="America/Los_Angeles") == format_date(
        date(2026, 3, 1), locale="en"
    )


@pytest.mark.parametrize("value", ["secret", "NaN", "Infinity", None, True, [], {}, ""])
def test_an_invalid_number_or_date_is_reported_without_showing_it(value: object) -> None:
    for filtered, needed in (("number", "a number"), ("date", "a date or time"), ("money('EUR')", "a number")):
        result = error("{{ value | " + filtered + " }}", {"value": value})
        assert f"ValueError: {needed}" in result
        assert "secret" not in result
    assert text("{{ value | default(0, true) | number }}", {"value": None}) == "0"


@pytest.mark.parametrize("value", [10**30, -(10**30), float("inf"), float("nan"), "9999-99-99T00:00:00Z"])
def test_a_moment_beyond_all_calendars_is_an_error_of_its_own(value: object) -> None:
    assert "a date or time is needed" in error("{{ value | datetime }}", {"value": value})


def test_when_is_a_condition_and_key_never_empty() -> None:
    rules = renderer(when="balance.points > 100 and source == 'shop'", key="{{ customer }}")

    def seen(**payload: Any) -> dict[str, Any]:
        return seen_by_templates(payload, event="e", source="shop")

    assert rules.when_is_true("r", seen(balance={"points": 101}))
    assert not rules.when_is_true("r", seen(balance={"points": 100}))
    with pytest.raises(
        RenderError, match=r"^when of rule 'r': 'balance' is undefined; the keys are 'data', 'event', 'source'$"
    ):
        rules.when_is_true("r", seen())
    with pytest.raises(RenderError, match=r"^when of rule 'r': 'points' is undefined; the keys are "):
        renderer(when="points").when_is_true("r", seen())
    assert rules.key("r", seen(customer="ada")) == "ada"
    with pytest.raises(RenderError, match=r"^key of rule 'r': it is empty$"):
        rules.key("r", seen(customer=" "))


ORDER = {
    "id": "ord_1",
    "items": [{"product_id": "p1", "quantity": 2}, {"product_id": "p2", "quantity": 1}],
    "metadata": {"get": "y", "copy": "x", "values": [1, 2], "keys": 1, "pop": 2, "update": 3},
}


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{{ order.items | length }} items", "2 items"),
        ("{% for i in order.items %}{{ i.product_id }} {% endfor %}", "p1 p2 "),
        ("{{ order['items'] | length }}", "2"),
        ("{{ order.items | map(attribute='quantity') | sum }}", "3"),
        ("{% set m = order.metadata %}{{ m.get }}{{ m.copy }}{{ m.values }}{{ m.keys }}{{ m.pop }}", "yx[1,2]12"),
        ("{{ order.metadata.get('copy') }}", "x"),
        (
            "{% for key, value in order.metadata.items() %}{{ key }} {% endfor %}",
            "get copy values keys pop update ",
        ),
    ],
)
def test_a_key_of_the_payload_wins_over_a_method_unless_it_is_called(template: str, written: str) -> None:
    assert text(template, {"order": ORDER}) == written


def test_an_absent_key_named_as_a_method_is_missing() -> None:
    assert text("{% if order.items %}has items{% else %}none{% endif %}", {"order": {}}) == "none"
    assert text("{{ order.items | default([]) | length }}", {"order": {}}) == "0"
    assert text("{{ order.count | default('-') }}", {"order": []}) == "-"
    assert "has no attribute 'items'" in error("{{ order.items }}", {"order": {"id": 1}})


def test_a_default_holds_for_a_field_of_what_is_absent_and_without_one_it_is_an_error() -> None:
    assert text("{{ x.name | default('') }}-{{ x.y['z'] | default('n') }}") == "-n"
    assert not renderer(text="t", when="customer.email | default(false)").when_is_true("r", {})
    assert "'x' is undefined" in error("{{ x.name }}")
    assert "'x' is undefined" in error("{% if x.name %}a{% endif %}")


def test_the_error_of_a_missing_name_lists_the_existing_and_nearest_keys_but_no_values() -> None:
    payload = {"customer": {"email": "ada@example.com", "a\x1b": 1}}

    missing = error("{{ customer.emial }}", payload)

    assert missing.endswith("; the keys are 'a\\x1b', 'email'; did you mean 'email'?")
    assert error("{{ custmer.email }}", payload).endswith("did you mean 'customer'?")
    assert len(error("{{ x.y }}", {"x": {"k" * 1000 + str(i): i for i in range(100)}})) < 1_500


def test_an_error_names_its_place_without_values_of_the_payload() -> None:
    with pytest.raises(RenderError) as raised:
        text("Hello\n\n{{ x[name] }}", {"x": {}, "name": "Ada Novak"})

    assert (raised.value.place, "Ada" in str(raised.value)) == ("text line 3", True)
