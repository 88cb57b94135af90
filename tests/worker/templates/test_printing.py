"""Templates print lists and objects as JSON, with the numbers as received."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.voucherify import VOUCHERIFY
from worker.rules.payload import Payload
from worker.rules.render import Renderer, RenderError
from worker.rules.rules import Rule
from worker.templates.printing import as_text, dumps
from worker.templates.template import seen_by_templates

BODY = (
    b'{"order":{"id":"o","items":[{"product_id":"p1","price":10.00,"gift":true,"note":null},{"product_id":"p2"}]},'
    b'"big":123456789012345678901234567890,"names":["Ada \xc3\xbc","<b>"]}'
)
ITEMS = '[{"product_id":"p1","price":10.00,"gift":true,"note":null},{"product_id":"p2"}]'
NESTED = "{% set n = namespace(x=range(9999) | list) %}{% for i in range(99) %}{% set n.x = [n.x] %}{% endfor %}"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def rendered(template: str, **parts: Any) -> str:
    renderer = Renderer([Rule(name="r", events=("*",), channel="c", text=template, **parts)])
    seen = seen_by_templates(VOUCHERIFY.view(BODY), event="e", source="s")
    made = renderer.render("r", seen)
    return made.html or made.text


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("You bought {{ order.items }}", f"You bought {ITEMS}"),
        ("You bought {{ order.items | map(attribute='product_id') | join(', ') }}", "You bought p1, p2"),
        ("{{ 'items: ' ~ order.items }}", f"items: {ITEMS}"),
        ("{{ names }} {{ [big, 1.50] }}", '["Ada ü","<b>"] [123456789012345678901234567890,1.5]'),
        ("{{ [] }} {{ {} }} {{ (1, 'a') }}", '[] {} [1,"a"]'),
        ("{{ order.items == order.items }} {{ names == ['Ada ü', '<b>'] }}", "True True"),
        (
            "{{ {'b': big, 'a': order.items[0].price} | tojson }}",
            '{"a": 10.00, "b": 123456789012345678901234567890}',
        ),
        ("{{ [order.items[0].price] | tojson(indent=2) }}", "[\n  10.00\n]"),
        ("{{ names[1:] | tojson }}", '["\\u003cb\\u003e"]'),
    ],
)
def test_a_list_or_an_object_is_printed_as_json(template: str, expected: str) -> None:
    assert rendered(template) == expected


def test_json_is_escaped_in_html() -> None:
    assert rendered("x", html="<p>{{ names[1:] }}{{ [names[1] | escape] }}</p>") == (
        "<p>[&#34;&lt;b&gt;&#34;][&#34;&amp;lt;b&amp;gt;&#34;]</p>"
    )


def test_values_that_json_cannot_represent_are_printed_and_a_missing_name_is_an_error() -> None:
    assert rendered("{{ {none: 1} }}") == "{None: 1}"
    for template in ("{{ [order.itms] }}", "{{ [order.itms] | tojson }}", "{{ '' ~ [order.itms] }}"):
        with pytest.raises(RenderError, match=r"'itms'.*did you mean 'items'"):
            rendered(template)


@given(json_values)
def test_printed_json_reads_back_as_the_same_value(value: Any) -> None:
    assert json.loads(dumps(value, sort_keys=True)) == json.loads(dumps(value, indent=2)) == value
    if isinstance(value, list | dict):
        assert json.loads(as_text(value)) == value


@pytest.mark.parametrize("template", ["{{ data }}", "{{ data | tojson }}"])
def test_the_whole_payload_prints_as_its_original_json_if_available(template: str) -> None:
    renderer = Renderer([Rule(name="r", events=("*",), channel="c", text=template)])
    seen = seen_by_templates(renderer.read("r", Payload(BODY)), event="e", source="s")

    text = renderer.render("r", seen).text

    assert json.loads(text) == json.loads(BODY)
    assert "10.00" in text


@pytest.mark.parametrize(
    "template",
    [
        "{{ range(90000) | list | tojson(indent=9999) }}",
        NESTED + "{{ n.x | tojson(indent=9) }}",
        "{{ [data] * 99999 }}",
    ],
)
def test_json_that_would_be_too_long_is_refused(template: str) -> None:
    with pytest.raises(RenderError, match="more than 4194304 characters"):
        rendered(template)
