"""The webhooks of each provider: signature, payloads, identity. Pure, no I/O."""

from sources.provider import Provider
from sources.voucherify import VOUCHERIFY

KINDS: dict[str, Provider] = {VOUCHERIFY.name: VOUCHERIFY}
