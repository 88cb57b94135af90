"""Shopify: the provider, the models of its events, and samples."""

from sources.providers.shopify.provider import SHOPIFY

__all__ = ["SHOPIFY"]
