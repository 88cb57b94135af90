"""A filter field is declared once, for the command line, the API, the form, search and descriptions."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
import typer
from msgspec import Meta
from typer.testing import CliRunner

from broker.dead_letters import Dimensions
from inspector.cli.options import to_options, with_filter_options
from inspector.operations.filter_fields import FilterField
from inspector.operations.filters import Filter, describe, describe_for_audit, fields
from inspector.operations.search import Choices
from inspector.web.filters import inputs, parse_filter, to_form
from inspector.web.pages import Pages
from inspector.web.static import Static
from tools import openapi


class RegionFilter(Filter, frozen=True, kw_only=True):
    """A filter with one more field."""

    region: Annotated[
        str,
        Meta(max_length=40, description="Region of the `customer`."),
        FilterField(label="Sales region", phrase="in region {}", is_dimension=True),
    ] = ""


class RegionQuery(RegionFilter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A query of the API with the filter."""

    limit: int = 50


class RegionDimensions(Dimensions, frozen=True, array_like=True):
    region: str = ""


EU = RegionFilter(region="eu")


def _invoke(*arguments: str) -> str:
    app = typer.Typer()

    @app.command()
    @with_filter_options(filter_class=RegionFilter)
    def find(*, letter_filter: Filter) -> None:
        typer.echo(str(letter_filter.criteria()))

    return str(CliRunner(env={"COLUMNS": "120", "TERM": "dumb"}).invoke(app, arguments).output)


def test_a_new_field_is_an_option_of_the_command_line() -> None:
    assert "--region" in _invoke("--help")
    assert "Region of the customer." in _invoke("--help")
    assert _invoke("--region", "eu") == "{'region': 'eu'}\n"
    assert to_options(EU) == ["--region", "eu"]


def test_the_limits_of_a_new_field_hold_on_the_command_line() -> None:
    assert "length <= 40" in _invoke("--region", "x" * 41)


def test_a_new_field_is_a_parameter_of_the_api() -> None:
    parameters = {parameter["name"]: parameter for parameter in openapi._query_parameters(RegionQuery)}

    assert parameters["region"]["description"] == "Region of the `customer`."
    assert parameters["region"]["schema"] == {"type": "string", "maxLength": 40, "default": ""}
    assert msgspec.convert({"region": "eu"}, RegionQuery).region == "eu"


def test_a_new_field_is_an_input_of_the_form() -> None:
    choices = Choices({field.name: {"eu": 3, "us": 1} for field in fields(RegionFilter) if field.is_dimension})
    (region,) = [item for item in inputs(EU, choices) if item.field.name == "region"]
    template = Pages(Static())._environment.get_template("letters_macros.html")

    html = str(template.module.field(region))  # type: ignore[attr-defined]

    assert '<label for="by-region">Sales region</label>' in html
    assert '<option value="eu" selected>eu (3)</option>' in html
    assert parse_filter({"region": "eu"}, RegionFilter) == EU
    assert to_form(EU) == {"region": "eu"}


@pytest.mark.parametrize(("region", "matches"), [("eu", True), ("us", False)])
def test_a_new_field_selects_dead_letters(region: str, matches: bool) -> None:
    dimensions = RegionDimensions("notify", "shop", "", "poison", "", "crm", "", "", 1, region)

    assert EU.matches(dimensions) is matches


def test_a_new_field_is_in_the_filter_descriptions() -> None:
    assert describe(EU) == "dead letters in region eu"
    assert describe_for_audit(EU) == "region=eu"
    assert EU.criteria() == {"region": "eu"}


def test_personal_values_are_hidden() -> None:
    found_by = Filter(search="ada@example.com")

    assert describe(found_by) == "dead letters found by ada@example.com"
    assert describe(found_by, hide_personal=True) == "dead letters found by ***"
    assert describe_for_audit(found_by) == "search=***"
