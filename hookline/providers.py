"""Functions for providers of your own: parse JSON without other errors, and check signatures in constant time.
`TypedEvents` types payloads.

    from hookline.providers import check_hmac, parse_object, required

See docs/providers.md, section Your own provider in code.
"""

from sources.shared.json_body import hash_of, milliseconds, parse_object, split_array, text_at, view
from sources.shared.signature import after_prefix, check_hmac, check_time, hmac_text, in_hex, malformed, required
from sources.shared.typed_events import TypedEvents

__all__ = [
    "TypedEvents",
    "after_prefix",
    "check_hmac",
    "check_time",
    "hash_of",
    "hmac_text",
    "in_hex",
    "malformed",
    "milliseconds",
    "parse_object",
    "required",
    "split_array",
    "text_at",
    "view",
]
