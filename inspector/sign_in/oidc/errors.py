"""Why a login at a provider does not succeed."""

from __future__ import annotations


class OidcError(Exception):
    """The top of all errors here. The message is a sentence for the log, without anything that a client sent."""


class ProviderUnavailableError(OidcError):
    """The provider does not answer, or not as it should. It may work again later."""


class CodeRejectedError(OidcError):
    """The provider does not exchange the code. The user can begin again."""


class IdTokenError(OidcError):
    """The ID token is not valid."""


class UnknownKeyError(IdTokenError):
    """No known key of the provider signed the ID token."""
