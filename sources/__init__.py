"""What providers' webhooks look like: signature, payloads, identity. Pure, no I/O."""

from sources.provider import SourceKind
from sources.voucherify import VOUCHERIFY

KINDS: dict[str, SourceKind] = {VOUCHERIFY.name: VOUCHERIFY}
