"""The typed events of the providers, in one module each: `github.Push`, `stripe.PaymentIntent`.

    from hookline.models import github

`Notification.model` is one of them. `MODELS` of a module maps the names of events to their models; a name that
ends in `*` stands for all events that begin with the text before it. The typed events of Voucherify are in
`hookline.voucherify`.
"""

from sources.providers.adyen import models as adyen
from sources.providers.github import models as github
from sources.providers.gitlab import models as gitlab
from sources.providers.hubspot import models as hubspot
from sources.providers.intercom import models as intercom
from sources.providers.linear import models as linear
from sources.providers.mailgun import models as mailgun
from sources.providers.paypal import models as paypal
from sources.providers.sendgrid import models as sendgrid
from sources.providers.shopify import models as shopify
from sources.providers.slack import models as slack
from sources.providers.square import models as square
from sources.providers.stripe import models as stripe
from sources.providers.twilio import models as twilio

__all__ = [
    "adyen",
    "github",
    "gitlab",
    "hubspot",
    "intercom",
    "linear",
    "mailgun",
    "paypal",
    "sendgrid",
    "shopify",
    "slack",
    "square",
    "stripe",
    "twilio",
]
