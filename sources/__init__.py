"""The webhooks of each provider: signature, payloads, identity. Pure, no I/O."""

from sources.kinds import Kinds
from sources.providers.adyen import ADYEN
from sources.providers.github import GITHUB
from sources.providers.gitlab import GITLAB
from sources.providers.hubspot import HUBSPOT
from sources.providers.intercom import INTERCOM
from sources.providers.linear import LINEAR
from sources.providers.mailgun import MAILGUN
from sources.providers.paypal import PAYPAL
from sources.providers.sendgrid import SENDGRID
from sources.providers.shopify import SHOPIFY
from sources.providers.slack import SLACK
from sources.providers.square import SQUARE
from sources.providers.standard import STANDARD
from sources.providers.stripe import STRIPE
from sources.providers.twilio import TWILIO
from sources.voucherify import VOUCHERIFY

_ALL = (
    VOUCHERIFY,
    STANDARD,
    GITHUB,
    SENDGRID,
    STRIPE,
    SHOPIFY,
    SLACK,
    LINEAR,
    INTERCOM,
    GITLAB,
    TWILIO,
    SQUARE,
    HUBSPOT,
    ADYEN,
    MAILGUN,
    PAYPAL,
)

KINDS = Kinds(_ALL)
"""The providers by the `kind` of a source, with those of plug-ins."""
