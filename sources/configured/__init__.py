"""Providers that the config describes, without code: `kind = "hmac"`, `"token"` and `"none"`."""
