"""Payloads of which only the requested keys are decoded."""

import msgspec
import pytest

from sources.errors import DecodeError
from worker.rules.payload import Excerpt, Payload
from worker.rules.render import Renderer, RenderError
from worker.rules.rules import Rule
from worker.templates.template import seen_by_templates

JSON = msgspec.json.encode(
    {"customer": {"name": "Ada"}, "n": [1, 2], "range": 3, "event": "its own", "class": "gold", "other": {"x": 1}}
)


def test_a_payload_is_the_object_that_its_json_is() -> None:
    payload = Payload(JSON)
    assert dict(payload) == msgspec.json.decode(JSON)
    assert (len(payload), payload["range"]) == (6, 3)


def test_an_excerpt_has_the_requested_keys_that_exist() -> None:
    assert Excerpt({"n", "class", "none"}).of(JSON) == {"n": [1, 2], "class": "gold"}


def test_a_decoding_error_is_raised_on_access() -> None:
    payload = Payload(b'{"n": 1e}')
    for look in (lambda: payload["n"], lambda: payload.excerpt(Excerpt({"n"}))):
        with pytest.raises(DecodeError):
            look()


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer.name }} {{ n[0] }}",
        "{{ data.other.x }} {{ data | length }}",
        "{{ data.other.x }} {{ data['n'] }} {{ data.absent is defined }} {{ data.items is defined }}",
        "{{ data.other.x }} {{ data.items() | list }}",
        "{{ data.get('n') }}",
        "{{ data.other.items() | list }} {{ data[source] | default('no') }}",
        "{% set data = customer %}{{ data.name }}{% for data in n %}{{ data }}{% endfor %}",
        "{% macro f(data) %}{{ data.x }}{% endmacro %}{{ f(other) }} {{ data.n }}",
        "{{ data.absent }}",
        "{{ data }} {{ data | tojson }} {{ [data, data] }}",
        "{{ range }} {{ event }} {{ source }}",
        "{% for i in n %}{{ i }}{{ loop.index }}{% else %}{{ other }}{% endfor %}",
        "{% set customer = other %}{{ customer.x }}",
        "{% if n %}{% set m = other %}{% endif %}{{ m.x }}",
        "{% macro f(x) %}{{ x }}{{ n }}{{ caller() }}{% endmacro %}{% call f(1) %}{{ other.x }}{% endcall %}",
        "{{ n | map('string') | join(other.x | string) }}",
        "{% block b %}{{ other.x }}{% endblock %}{{ self.b() }}",
        "{{ absent }}",
        "{{ absent | default('none') }} {{ other.nothing is defined }}",
        "{% with customer = n %}{{ customer }}{% endwith %}{{ customer }}",
        "{% filter upper %}{{ customer.name }}{% endfilter %}",
        "plain",
    ],
)
def test_templates_render_the_same_from_an_excerpt_as_from_the_whole_payload(text: str) -> None:
    renderer = Renderer([Rule(name="r", events=("*",), channel="c", text=text, subject="{{ customer.name }}")])

    def rendered(payload: Payload | dict[str, object]) -> object:
        seen = seen_by_templates(renderer.read("r", payload), event="e", source="s")
        try:
            return renderer.render("r", seen)
        except RenderError as error:  # an excerpt has fewer keys to list than the whole
            return str(error).partition("keys are")[0]

    own_data = msgspec.json.encode({**msgspec.json.decode(JSON), "data": {"n": 7, "other": {"x": 8}}})
    for json in (JSON, own_data):
        assert rendered(Payload(json)) == rendered(msgspec.json.decode(json))


@pytest.mark.parametrize(
    ("when", "keys"),
    [
        ("customer", {"customer"}),
        ("data.n[0] and data['class'] == 'gold'", {"data", "n", "class"}),
        ("range(data.n | length) | list", {"range", "data", "n"}),
        ("data.keys() | list", None),
        ("'n' in data", None),
    ],
)
def test_the_keys_that_conditions_read_are_known(when: str, keys: set[str] | None) -> None:
    conditional = Rule(name="r", events=("*",), channel="c", text="{{ other.x }}", when=when)
    renderer = Renderer([conditional, Rule(name="plain", events=("*",), channel="c", text="{{ data }}")])
    assert renderer.condition_keys() == keys
