"""When Voucherify retries a webhook, and what it does after the last try.

docs.voucherify.io, "Responding to webhooks": retries 1 to 12, by the time since the initial attempt. After the
12th one has failed, a project webhook is disabled, and a distribution is paused, until a person turns it on again.
"""

_MINUTE_S = 60.0

RETRY_SCHEDULE_S = (*(2.0**n * _MINUTE_S for n in range(11)), 24 * 60 * _MINUTE_S)
"""Seconds of each retry: 1, 2, 4, 8, 16 and 32 min, 1 h 4, 2 h 8, 4 h 16, 8 h 32, 17 h 4 and 24 h."""

REDELIVERY_S = RETRY_SCHEDULE_S[-1] + 60 * _MINUTE_S
"""Seconds after which Voucherify does not retry a webhook, with an hour for a delayed last try."""

DISABLED_ADVICE = (
    "look in Voucherify whether it was switched off, and switch it on again: project webhooks in Project "
    'settings, section Webhooks, "Is active?"; paused distributions, and the channels of loyalty and referral '
    "programmes, where they were set up; what failed meanwhile can be sent again from the audit log, tab Webhook "
    "sendouts"
)
