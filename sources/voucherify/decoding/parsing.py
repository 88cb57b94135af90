"""Parses the JSON of a body."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

import msgspec

from sources.errors import DecodeError
from sources.voucherify.decoding.typed_payload import decode_error
from sources.written_number import WrittenNumber

_decode = msgspec.json.Decoder().decode
_decode_as_written = msgspec.json.Decoder(float_hook=WrittenNumber).decode


def parse_json(body: bytes, *, as_written: bool = False) -> Any:
    """Parse the JSON of a body, which may begin with a byte order mark. Raises DecodeError.

    as_written: numbers with a fraction print as they are written in the body.
    """
    body = body.removeprefix(BOM_UTF8)
    try:
        body.decode()  # msgspec reports the place in a string, not in the body
        return _decode_as_written(body) if as_written else _decode(body)
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise decode_error(error) from None
