"""No template and no payload makes rendering take much time or memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.templates import result_sizes
from worker.templates.budget import MAX_CHARS, TooMuchError
from worker.templates.formats import Formats
from worker.templates.template import Expression, RenderError, Template

NAME = "A" * 500_000
SEEN = {"name": NAME, "items": list(range(100_000)), "u": "x", "few": ["a", "b"], "tabs": "\t" * 500_000}
FORMATS = Formats("en", "UTC")
DOUBLED = "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"

TOO_MUCH = [
    '{{ "%99999999d" % 5 }}',
    '{{ "%*d" % (99999999, 5) }}',
    '{{ "%.99999999f" % 5.0 }}',
    '{{ "%99999999d" | format(5) }}',
    '{{ ("%s" * 100) % ((name,) * 100) }}',
    '{{ ("%9999d" * 1000) | format(*range(1000)) }}',
    '{{ "{:>999999999}".format(1) }}',
    '{{ "{:>{}}".format(1, 99999999) }}',
    '{{ ("{0}" * 100).format(name) }}',
    '{{ ("{a}" * 100).format_map({"a": name}) }}',
    "{{ items | join(name) }}",
    '{{ items | map("string") | join(name) }}',
    "{{ name.join(few * 1000) }}",
    '{{ name.join(items | map("string")) }}',
    "{{ [name] * 1000 }}",
    "{{ ([name] * 1000) | string }}",
    "{{ ([name] * 1000) | tojson }}",
    "{{ ([name] * 1000) | pprint }}",
    '{{ "" ~ ([name] * 1000) }}',
    "{{ name is in ([name] * 100000) }}",
    '{{ name | replace("A", "B" * 100) }}',
    '{{ name.replace("", "B" * 100) }}',
    '{{ name.translate({65: "B" * 100000}) }}',
    "{{ name | wordwrap(1) }}",
    '{{ ("\n" * 400000) | indent(1000) }}',
    '{{ ("\n" * 400000) | indent("x" * 1000) }}',
    "{{ tabs.expandtabs(1000) }}",
    '{{ range(100000) | map("center", 10000) | list }}',
    '{{ range(100000) | map("center", 10000) | join }}',
    "{% for i in range(1000) %}{{ name | upper | length }}{% endfor %}",
    "{% for i in range(1000) %}{{ name.upper() | length }}{% endfor %}",
    DOUBLED + "{{ ns.x }}",
    DOUBLED + "{{ ns.x | string | length }}",
    DOUBLED + "{{ ns.x | tojson | length }}",
    DOUBLED + '{{ ns.x ~ "" }}',
    DOUBLED + "{{ ns.x == ns.x }}",
    DOUBLED + '{{ "%s" % (ns.x,) }}',
    DOUBLED + '{{ "{}".format(ns.x) }}',
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("source", TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_long_results_are_refused_before_they_are_computed(source: str) -> None:
    with pytest.raises(RenderError, match=r"longer than|wider than|more than"):
        Template("text", source, FORMATS).text(dict(SEEN))


@pytest.mark.timeout(60)
def test_an_expression_is_bounded_as_a_template_is() -> None:
    with pytest.raises(RenderError, match="more than"):
        Expression("key", "[name] * 1000", FORMATS).text(SEEN)
    with pytest.raises(RenderError, match="wider than"):
        Expression("when", '"%99999999d" % 5 == "5"', FORMATS).is_true(SEEN)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{{ "%05.2f" % 3.14159 }}', "03.14"),
        ('{{ "%(a)s-%(a)s" % {"a": u} }}', "x-x"),
        ('{{ "%s of %s" | format(u, 3) }}', "x of 3"),
        ('{{ "{:>5}|{:.1f}".format(u, 2.25) }}', "    x|2.2"),
        ('{{ few | join(", ") }}', "a, b"),
        ('{{ ", ".join(few) }}', "a, b"),
        ('{{ few | map("upper") | join("-") }}', "A-B"),
        ('{{ [{"n": "a"}, {"n": "b"}] | join("/", attribute="n") }}', "a/b"),
        ("{{ 'one two' | wordwrap(3) }}", "one\ntwo"),
        ("{{ {'a': [1, 'x']} | tojson }}", '{"a": [1, "x"]}'),
        ("{{ few }}", '["a","b"]'),
        ("{{ 'ab'.translate({97: 'c'}) }}{{ 'a\tb'.expandtabs(4) }}", "cba   b"),
        ("{{ name | length }}", "500000"),
        ("{{ few == ['a', 'b'] }}{{ 'a' in few }}", "TrueTrue"),
    ],
)
def test_ordinary_templates_work(source: str, expected: str) -> None:
    assert Template("text", source, FORMATS).text(dict(SEEN)) == expected


widths = st.integers(0, 300)


@given(widths, widths, st.sampled_from("dsfxr"), st.integers(-(10**9), 10**9))
def test_the_result_of_a_percent_format_is_never_longer_than_estimated(
    width: int, precision: int, kind: str, value: int
) -> None:
    spec = f"%{width}.{precision}{kind}"
    made = len(spec % value)
    padding = "x" * (MAX_CHARS - made + 1)
    with pytest.raises(TooMuchError):
        result_sizes.check_percent(padding + spec, value)


@given(widths, st.sampled_from("<>^"), st.text(max_size=50))
def test_the_result_of_a_format_is_never_longer_than_estimated(width: int, align: str, value: str) -> None:
    spec = f"{{:{align}{width}}}"
    made = len(spec.format(value))
    padding = "x" * (MAX_CHARS - made + 1)
    with pytest.raises(TooMuchError):
        result_sizes.check_format(padding + spec, [value])
