"""Models of the data in Voucherify's events, API version v2024-01-01.

Every field may be absent or null, except for the few that a notification about points or credits needs, and
unknown keys are ignored: the vendor's own examples show both. Timestamps stay text, as sent: see
`sources.voucherify.decoding.timestamps`. Source of the models: docs.voucherify.io, "Introduction to webhooks
v2024-01-01" and the page of each event.
"""

from msgspec import Struct

from sources.voucherify.models.distribution import DISTRIBUTION
from sources.voucherify.models.project import PROJECT

MODELS: dict[str, type[Struct]] = {**PROJECT, **DISTRIBUTION}
"""Event name -> the model of its `data`. An event whose name is not here is valid too; it has no model."""
