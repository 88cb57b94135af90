"""The webhooks of each provider: signature, payloads, identity. Pure, no I/O."""

from sources.provider import Provider
from sources.providers.github import GITHUB
from sources.providers.sendgrid import SENDGRID
from sources.providers.standard import STANDARD
from sources.voucherify import VOUCHERIFY

_ALL = (VOUCHERIFY, STANDARD, GITHUB, SENDGRID)

KINDS: dict[str, Provider] = {provider.name: provider for provider in _ALL}
"""The providers by the `kind` of a source."""
