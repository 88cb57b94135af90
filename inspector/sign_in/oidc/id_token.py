"""Verifies ID tokens. Pure, no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key
from joserfc.jws import JWSRegistry

from inspector.sign_in.oidc.errors import IdTokenError, UnknownKeyError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures with public keys. `none` and those with a shared secret (HS256) are refused."""

LEEWAY_S = 60
"""Seconds by which the clocks of provider and inspector may differ."""

# Providers add headers of their own; `crit` names those that must be understood, and is checked.
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


def verified_claims(
    token: str,
    keys: Sequence[Key],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """The claims of an ID token of this issuer, for this client and this login. Raises IdTokenError."""
    claims_registry = jwt.JWTClaimsRegistry(
        now=lambda: int(now()),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        azp={"value": client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        claims = jwt.decode(token, partial(_key_of, keys), registry=_REGISTRY).claims
        claims_registry.validate(claims)
    except JoseError as error:
        raise IdTokenError(f"the ID token is not valid: {error.description or error.error}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise IdTokenError(f"the ID token cannot be read: {type(error).__name__}") from None
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
        raise IdTokenError(
            "the ID token is for several clients, and azp does not say that it was issued to this one"
        )
    return claims


def _key_of(keys: Sequence[Key], signed: GuestProtocol) -> Key:
    """The key that the header names. Only a provider with one key of this kind may leave the name out."""
    header = signed.headers()
    kid, kind = header.get("kid"), "EC" if str(header.get("alg")).startswith("ES") else "RSA"
    named = [key for key in keys if key.key_type == kind and kid in (None, key.kid)]
    if len(named) != 1:
        raise UnknownKeyError("the ID token is signed with a key that the provider does not publish")
    return named[0]
