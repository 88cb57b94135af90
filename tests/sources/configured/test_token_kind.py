"""Sources that a token or their addresses protect."""

from typing import Any

import pytest
from multidict import CIMultiDict

from receiver.errors import NoAddressesError
from receiver.ingress.source_verifier import SourceVerifier
from sources.configured.settings import TokenSettings
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.settings import Settings
from sources.signed_request import SignedRequest
from sources.source_kinds import provider_of

TOKEN = Secret("tok-0123456789")


def provider(**table: Any) -> Provider:
    return provider_of(Settings(kind="token", token=TokenSettings(**table)))


def verifies(kind: Provider, secret: Secret, **headers: str) -> bool:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        kind.verify(SignedRequest(b"{}", CIMultiDict(names)), secrets=[Secret("another-one"), secret])
    except SignatureError as error:
        assert secret.reveal().decode() not in str(error)
        return False
    return True


def test_a_token_in_a_header_is_compared_as_a_whole() -> None:
    kind = provider(header="X-Gitlab-Token")
    assert verifies(kind, TOKEN, x_gitlab_token="tok-0123456789")
    for other in ("tok-012345678", "tok-01234567890", "", "\u00e9", "\ud800"):
        assert not verifies(kind, TOKEN, x_gitlab_token=other)
    assert not verifies(kind, TOKEN, authorization="tok-0123456789")


def test_a_bearer_token_has_its_prefix() -> None:
    kind = provider(prefix="Bearer ")
    assert verifies(kind, TOKEN, authorization="Bearer tok-0123456789")
    assert not verifies(kind, TOKEN, authorization="tok-0123456789")


def test_basic_authentication_needs_user_and_password() -> None:
    kind, secret = provider(basic=True), Secret("ada:open sesame")
    assert kind.sign(SignedRequest(b"", {}), secret) == {"authorization": "Basic YWRhOm9wZW4gc2VzYW1l"}
    assert verifies(kind, secret, authorization="basic YWRhOm9wZW4gc2VzYW1l")
    assert not verifies(kind, secret, authorization="Basic YWRhOm9wZW4gc2VzYW1")
    assert not verifies(kind, secret, authorization="Bearer YWRhOm9wZW4gc2VzYW1l")
    assert "user:password" in kind.check_secret(TOKEN)
    assert not kind.check_secret(Secret(kind.new_secret()))


def test_a_token_that_no_header_could_hold_is_refused() -> None:
    assert "printable" in provider().check_secret(Secret("a\nb"))


def test_a_source_that_nothing_protects_does_not_start() -> None:
    with pytest.raises(NoAddressesError, match="addresses"):
        SourceVerifier("shop", Settings(kind="none"))
    assert SourceVerifier("shop", Settings(kind="none", addresses=("192.0.2.1",)))
