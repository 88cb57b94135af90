"""A login at the provider: its beginning, and its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from yarl import URL

from inspector.login_settings import OidcLogin
from inspector.sign_in.identity import Identity, SignInRefused, identity_by_groups
from inspector.sign_in.oidc.errors import OidcError, ProviderUnavailableError, UnknownKeyError
from inspector.sign_in.oidc.flow import Flow, Flows
from inspector.sign_in.oidc.id_token import verified_claims
from inspector.sign_in.oidc.provider import Provider, is_safe_url

_SECTION = "inspector.oidc"
CALLBACK = "/login/oidc/callback"
"""Path to which the provider sends the browser back."""

_MAX_CODE_CHARS = 4096

_STALE = SignInRefused(
    400,
    "the login expired, was already finished, or began in another browser",
    "This login has expired, is already over, or began in another browser or at another address. Log in again.",
)


class Finished(Struct, frozen=True):
    """A login that succeeded."""

    identity: Identity
    next_path: str


class OidcSignIn:
    """Signs users in at one provider."""

    def __init__(self, settings: OidcLogin, *, reserved: Collection[str]) -> None:
        """`reserved`: names of the users who have a password."""
        self._settings = settings
        self._reserved = frozenset(reserved)
        self._flows = Flows()
        self._provider = Provider(settings)
        self.title = URL(settings.issuer).host or settings.issuer
        """The name of the provider on the pages."""

        self.public_url = settings.public_url.rstrip("/")
        self.is_https = self.public_url.startswith("https://")

    async def begin(self, next_path: str) -> tuple[str, str]:
        """Begin a login; return the address at the provider and the value of the cookie. Raises OidcError."""
        metadata = await self._provider.metadata()
        cookie, flow = self._flows.begin(next_path)
        address = URL(metadata.authorization_endpoint).update_query(
            response_type="code",
            client_id=self._settings.client_id,
            redirect_uri=self._redirect_uri,
            scope=" ".join(self._settings.scopes),
            state=flow.state,
            nonce=flow.nonce,
            code_challenge=flow.challenge,
            code_challenge_method="S256",
        )
        return str(address), cookie

    async def finish(self, query: Mapping[str, str], cookie: str) -> Finished | SignInRefused:
        """Finish a login with what the provider sent, and the cookie of its browser."""
        flow = self._flows.resume(cookie, query.get("state", ""))
        if flow is None:
            return _STALE
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            return _refused("the answer names another issuer")
        code = query.get("code", "")
        if "error" in query or not 0 < len(code) <= _MAX_CODE_CHARS:
            return _refused("the provider did not let the user in")
        try:
            claims = await self._claims(code, flow)
        except ProviderUnavailableError as error:
            return SignInRefused(
                502, str(error), f"{self.title} does not answer as it should. Log in again in a moment."
            )
        except OidcError as error:
            return _refused(str(error))
        identity = self._identity(claims)
        return Finished(identity, flow.next_path) if isinstance(identity, Identity) else identity

    def logout_address(self) -> str:
        """The address at which the provider ends its own session too; "" if it offers none."""
        metadata = self._provider.known_metadata
        address = metadata.end_session_endpoint if metadata else None
        if not address or not is_safe_url(address, self._settings.issuer):
            return ""
        return str(URL(address).update_query(client_id=self._settings.client_id))

    @property
    def _redirect_uri(self) -> str:
        return f"{self.public_url}{CALLBACK}"

    async def _claims(self, code: str, flow: Flow) -> dict[str, Any]:
        settings, provider = self._settings, self._provider
        token = await provider.exchange(code, verifier=flow.verifier, redirect_uri=self._redirect_uri)
        verified = partial(
            verified_claims, token, issuer=settings.issuer, client_id=settings.client_id, nonce=flow.nonce
        )
        try:
            return verified(await provider.keys())
        except UnknownKeyError:  # the provider has a new key
            return verified(await provider.keys(after_unknown=True))

    def _identity(self, claims: Mapping[str, Any]) -> Identity | SignInRefused:
        settings = self._settings
        name, groups = claims.get(settings.name_claim), claims.get(settings.groups_claim, ())
        if not isinstance(name, str):
            return _refused(f"the ID token has no claim {settings.name_claim} with a name")
        # Some providers write it as a text.
        if settings.name_claim == "email" and str(claims.get("email_verified")).lower() == "false":
            return _refused("the e-mail address is not verified")
        if isinstance(groups, str):
            groups = [groups]
        members = [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []
        return identity_by_groups(
            name,
            members,
            settings,
            how="oidc",
            section=_SECTION,
            reserved=self._reserved,
            subject=_subject(claims["sub"]),
        )


def _refused(reason: str) -> SignInRefused:
    return SignInRefused(403, reason, f"You could not be signed in: {reason}. Log in again, or ask the operator.")


def _subject(sub: str) -> str:
    return "".join(char for char in sub[:255] if char.isprintable())
