"""Voucherify, API version v2024-01-01."""

from sources.provider import Provider
from sources.voucherify.addresses import ADDRESSES
from sources.voucherify.api import API
from sources.voucherify.decoding.decode import decode, excerpt, payload_json, view
from sources.voucherify.decoding.event_names import url_event
from sources.voucherify.decoding.typed_payload import model
from sources.voucherify.drift import compare
from sources.voucherify.known_terms import known_terms
from sources.voucherify.models import MODELS
from sources.voucherify.retry_schedule import DISABLED_ADVICE, RETRY_SCHEDULE_S
from sources.voucherify.sample_bodies import sample
from sources.voucherify.search_terms import customer, terms
from sources.voucherify.signature import HEADER, sign, signed_headers, verify

__all__ = ["HEADER", "VOUCHERIFY", "sign", "verify"]

VOUCHERIFY = Provider(
    name="voucherify",
    title="Voucherify",
    signature_headers=(HEADER,),
    sign=signed_headers,
    verify=verify,
    decode=decode,
    view=view,
    excerpt=excerpt,
    payload_json=payload_json,
    sample=sample,
    sample_event="customer.voucher.loyalty_card.points_added",
    terms=terms,
    customer=customer,
    known_terms=known_terms,
    event_names=frozenset(MODELS),
    url_event=url_event,
    model=model,
    compare=compare,
    addresses=ADDRESSES,
    retry_schedule_s=RETRY_SCHEDULE_S,
    disabled_advice=DISABLED_ADVICE,
    api=API,
)
