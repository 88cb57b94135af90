"""Templates that are evaluated without Jinja2 give what they give with it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment

from sources.written_number import WrittenNumber
from worker.templates import plain_values
from worker.templates.formats import Formats
from worker.templates.template import Expression, RenderError, Template, seen_by_templates

FORMATS = Formats("en", "UTC")
_KEYS = st.sampled_from(["a", "b", "items", "self", "range"])
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "x", "1", "<b>"])
    | st.sampled_from(["1.50", "2.0", "-0.0"]).map(WrittenNumber)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
_PAYLOADS = st.fixed_dictionaries(
    {"a": st.dictionaries(_KEYS, _VALUES, max_size=3), "b": _VALUES},
    optional={"items": _VALUES, "self": _VALUES, "range": _VALUES, "data": _VALUES},
)

_FIELDS = st.builds(
    lambda name, fields: name + "".join(fields),
    _KEYS | st.sampled_from(["data", "event"]),
    st.lists(_KEYS.map(".{}".format) | _KEYS.map("['{}']".format), max_size=4),
)
_OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "and", "or", "in"])
_EXPRESSIONS = st.recursive(
    _FIELDS | st.sampled_from(["1", "1.5", "'x'", "none", "true", "-1", "[]"]),
    lambda inner: (
        st.builds(
            "({} {} {})".format,
            inner,
            _OPERATORS,
            inner,
        )
        | st.builds("(not {})".format, inner)
        | st.builds("({} if {} else {})".format, inner, inner, inner)
    ),
    max_leaves=4,
)


def outcome(evaluate: Callable[[dict[str, Any]], object], payload: dict[str, Any]) -> object:
    try:
        return evaluate(seen_by_templates(payload, event="e", source="s"))
    except RenderError as error:
        return f"error {error}"


@given(expression=_EXPRESSIONS, payload=_PAYLOADS)
def test_an_expression_has_the_value_that_jinja_gives_it(expression: str, payload: dict[str, Any]) -> None:
    # Lists are evaluated by Jinja2.
    here, by_jinja = (Expression("when", text, FORMATS) for text in (expression, f"[{expression}][0]"))
    assert outcome(here.is_true, payload) == outcome(by_jinja.is_true, payload)
    assert outcome(here.text, payload) == outcome(by_jinja.text, payload)


@example(parts=["{{ self }}"], payload={"self": 1}, is_html=False)
@example(parts=["{{ a }} {{ b }}"], payload={"a": ["x"], "b": {"x": None}}, is_html=False)
@example(parts=["{{ a }}"], payload={"a": "<b>"}, is_html=True)
@given(
    parts=st.lists(
        _EXPRESSIONS.map("{{{{ {} }}}}".format) | st.sampled_from(["text", "\n", "{# no #}"]), max_size=3
    ),
    payload=_PAYLOADS,
    is_html=st.booleans(),
)
def test_a_template_is_rendered_as_by_jinja(parts: list[str], payload: dict[str, Any], is_html: bool) -> None:
    source = "".join(parts)
    # Blocks are rendered by Jinja2.
    here, by_jinja = (
        Template("text", text, FORMATS, is_html=is_html) for text in (source, f"{{% if 1 %}}{{% endif %}}{source}")
    )
    assert outcome(here.text, payload) == outcome(by_jinja.text, payload)


@pytest.mark.parametrize(
    ("source", "is_plain"),
    [
        ("{{ data.a.b }} and {{ x if a.b >= 1 and not c else 'no' }}", True),
        ("{{ a | upper }}", False),
        ("{{ a.b() }}", False),
        ("{% for x in a %}{{ x }}{% endfor %}", False),
        ("{{ a ~ b }}", False),
        ("{{ a + 1 }}", False),
    ],
)
def test_only_what_cannot_become_large_is_rendered_without_the_sandbox(source: str, is_plain: bool) -> None:
    assert (plain_values.renderer(Environment(autoescape=True).parse(source)) is not None) == is_plain


@pytest.mark.parametrize("source", ["{{ a }}", "{{ a == 1 }}", "{{ 1 < a }}"])
def test_lists_and_objects_are_left_to_the_sandbox(source: str) -> None:
    render = plain_values.renderer(Environment(autoescape=True).parse(source))
    assert render is not None
    for value in ([], {}, (), object()):
        with pytest.raises(plain_values.NotPlainError):
            render({"a": value})
