"""When Voucherify tries again, and what it does after the last try.

docs.voucherify.io, "Responding to webhooks": re-tries 1 to 12, by the time since the initial attempt. After the
12th unsuccessful one a project webhook is disabled, and a distribution is paused, until a person switches it on.
"""

_MINUTE_S = 60.0

RETRY_SCHEDULE_S = (*(2.0**n * _MINUTE_S for n in range(11)), 24 * 60 * _MINUTE_S)
"""1, 2, 4, 8, 16 and 32 min, 1 h 4, 2 h 8, 4 h 16, 8 h 32, 17 h 4 and 24 h."""

REDELIVERY_S = RETRY_SCHEDULE_S[-1] + 60 * _MINUTE_S
"""Seconds after which Voucherify itself sends no webhook again, with an hour for what delays its last try."""

DISABLED_ADVICE = (
    "look in Voucherify whether it was switched off, and switch it on again: project webhooks in Project "
    'settings, section Webhooks, "Is active?"; paused distributions, and the channels of loyalty and referral '
    "programmes, where they were set up; what failed meanwhile can be sent again from the audit log, tab Webhook "
    "sendouts"
)
