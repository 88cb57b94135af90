"""Stripe: the provider, the models of its events, and samples."""

from sources.providers.stripe.provider import STRIPE

__all__ = ["STRIPE"]
