"""The search terms of a decoded event, from the fields that intake has validated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec
from msgspec import Struct

from sources.event import Event
from sources.voucherify.decoding.typed_payload import checked_model
from sources.voucherify.models import MODELS
from sources.voucherify.search_terms import terms


class _Fields(Struct, frozen=True):
    """The fields of a model that hold search terms."""

    customer: bool
    holder: bool
    voucher: bool
    transaction: bool


def _people(model: type[Struct]) -> Iterator[type[Struct]]:
    """Yield the structs that hold a person."""
    for field in msgspec.structs.fields(model):
        for kind in (field.type, *get_args(field.type)) if field.name in ("customer", "holder") else ():
            if isinstance(kind, type) and issubclass(kind, Struct):
                yield kind


# Every event goes through here, and to ask an object for a field that it lacks takes long.
_CHECKED = [model for name in MODELS if (model := checked_model(name))]
_FIELDS = {
    model: _Fields(*(name in model.__struct_fields__ for name in _Fields.__struct_fields__)) for model in _CHECKED
}
_WITH_PHONE = {person for model in _CHECKED for person in _people(model) if "phone" in person.__struct_fields__}


def known_terms(event: Event, body: bytes) -> Sequence[str]:
    """The ids of the event, its customer, voucher and transaction, and the customer's e-mail address and phone."""
    data: Any = event.data
    fields = _FIELDS.get(type(data))
    if fields is None:
        return terms(body)  # a custom payload, whose fields are not known
    found = [event.id] if event.id else []
    person = (data.customer if fields.customer else None) or (data.holder if fields.holder else None)
    if person is not None:
        if person.id:
            found.append(person.id)
        if person.source_id:
            found.append(person.source_id)
        if person.email:
            found.append(person.email)
        if type(person) in _WITH_PHONE and person.phone:
            found.append(person.phone)
    if fields.voucher and data.voucher is not None and data.voucher.code:
        found.append(data.voucher.code)
    if fields.transaction and data.transaction is not None and data.transaction.id:
        found.append(data.transaction.id)
    return found
