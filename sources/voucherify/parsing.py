"""Body -> JSON."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

import msgspec

from sources.errors import DecodeError
from sources.voucherify.vendor import translated

_decode = msgspec.json.Decoder().decode


def parsed(body: bytes) -> Any:
    """The JSON in a body, which may begin with a byte order mark. Raises DecodeError."""
    body = body.removeprefix(BOM_UTF8)
    try:
        body.decode()  # msgspec would tell where in a string, not where in the body
        return _decode(body)
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise translated(error) from None
