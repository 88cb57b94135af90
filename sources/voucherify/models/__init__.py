"""What Voucherify's events carry, API version v2024-01-01.

Every field but the few that an addition of points or credits lives by may be absent or null, and unknown keys
pass: the vendor's own examples show both. Timestamps stay text, as sent: see
`sources.voucherify.decoding.timestamps`. Source of the shapes: docs.voucherify.io, "Introduction to webhooks
v2024-01-01" and the page of each event.
"""

from msgspec import Struct

from sources.voucherify.models.distribution import DISTRIBUTION
from sources.voucherify.models.project import PROJECT

MODELS: dict[str, type[Struct]] = {**PROJECT, **DISTRIBUTION}
"""Event name -> the model of its `data`. A name that is not here is a valid event all the same."""
