"""Voucherify, API version v2024-01-01."""

from sources.kind import SourceKind
from sources.voucherify.decode import decode, view
from sources.voucherify.sample import sample
from sources.voucherify.signature import HEADER, sign, verify

VOUCHERIFY = SourceKind(
    name="voucherify",
    signature_header=HEADER,
    sign=sign,
    verify=verify,
    decode=decode,
    view=view,
    sample=sample,
)
