"""How one field of a filter is offered to people, and how the fields of a filter are read from its declaration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta, Struct, structs

FieldType = Literal["text", "number", "time"]


class FilterField(Struct, frozen=True, kw_only=True):
    """How one field of a filter is offered to people. `fields()` fills in what the declaration itself says."""

    label: str
    """Label in a form."""

    phrase: str
    """Part of a sentence after "dead letters", with {} for the value: `for channel {}`."""

    help: str = ""
    """Help text of the command line option. Defaults to the description in the API."""

    option: str = ""
    """Name of the command line option without dashes. Defaults to `input_name`."""

    metavar: str | None = None
    """Placeholder for the value in the help of the command line."""

    values: tuple[str, ...] = ()
    """All allowed values on the command line. Defaults to any."""

    is_dimension: bool = False
    """A dead letter matches if its dimension of this name is equal. Forms offer the values that exist."""

    is_upper_bound: bool = False
    """A time in seconds includes that whole second."""

    is_personal: bool = False
    """The value may be personal data, so it is masked for other users and in the audit log."""

    form: Literal["first", "more", "own"] = "more"
    """Position in the form: always visible, under "More filters", or written in the template itself."""

    name: str = ""
    """Name in Filter and in the API."""

    type: FieldType = "text"
    default: str | int = ""
    """The value that selects everything."""

    @property
    def input_name(self) -> str:
        """Name in forms and addresses."""
        return self.name.removesuffix("_ms")

    @property
    def option_name(self) -> str:
        """Name as a parameter of a command: `min_attempts` for --min-attempts."""
        return self.option or self.input_name


def declared_fields(filter_class: type[Struct]) -> tuple[FilterField, ...]:
    """Return the fields of a filter, in the order of their declaration."""
    return tuple(_fields(filter_class))


def _fields(filter_class: type[Struct]) -> Iterator[FilterField]:
    for info in structs.fields(filter_class):
        metadata = getattr(info.type, "__metadata__", ()) if get_origin(info.type) is Annotated else ()
        field = next((item for item in metadata if isinstance(item, FilterField)), None)
        # The API's queries extend a filter with fields that select nothing, such as `limit`.
        if field is None:
            continue
        description = next((item.description for item in metadata if isinstance(item, Meta)), None)
        yield structs.replace(
            field,
            name=info.name,
            help=field.help or (description or "").replace("`", ""),
            type=_type(info.name, get_args(info.type)[0]),
            default=info.default,
        )


def _type(name: str, python_type: Any) -> FieldType:
    if name.endswith("_ms"):
        return "time"
    return "number" if python_type is int else "text"
