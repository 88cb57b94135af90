"""PayPal: the provider, the models of its events, and samples."""

from sources.providers.paypal.provider import PAYPAL

__all__ = ["PAYPAL"]
