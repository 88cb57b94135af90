"""A provider of OpenID Connect on a real socket, with real keys, that lets everyone in at once."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey
from yarl import URL

CLIENT, SECRET = "hookline", "secret/of the client"


@cache
def rsa_key(name: str) -> RSAKey:
    """Return the key with this name, the same one in each call."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


class OidcProvider:
    """A provider whose answers depend on its attributes."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = rsa_key("first")
        self.published = [rsa_key("first")]
        self.claims: dict[str, Any] = {"preferred_username": "sue", "groups": ["support"], "sub": "id-of-sue"}
        self.metadata: dict[str, Any] = {}
        self.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)
        self.status = 200
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/.well-known/openid-configuration", self._discovery),
            web.get("/authorize", self._authorize),
            web.post("/token", self._token),
            web.get("/keys", self._keys),
        ]

    async def _discovery(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        endpoints = {"authorization": "authorize", "token": "token", "end_session": "logout"}
        document = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in endpoints.items()}
        document |= {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.metadata}
        return web.json_response(document, status=self.status)

    async def _authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT)
        assert query["code_challenge_method"] == "S256" and "openid" in query["scope"].split()
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        raise web.HTTPFound(URL(query["redirect_uri"]).update_query(code=code, state=query["state"]))

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        form = await request.post()
        login = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        if unquote(login) != f"{CLIENT}:{SECRET}":
            return web.json_response({"error": "invalid_client"}, status=401)
        query = self._codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if query is None or (query["code_challenge"], query["redirect_uri"]) != (challenge, form["redirect_uri"]):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "nonce": query["nonce"],
            "iat": now_s,
            "exp": now_s + 300,
            **self.claims,
        }
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return web.json_response({"id_token": token, "access_token": "x", "token_type": "Bearer"})

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        odd = [{"kty": "AKP", "kid": "odd"}, {"kty": "RSA", "kid": "first", "n": "!"}, {"kty": "oct", "k": "eA"}]
        keys = [key.as_dict(private=False) for key in self.published]
        return web.json_response({"keys": [*odd, *keys]})


@asynccontextmanager
async def running_provider() -> AsyncIterator[OidcProvider]:
    provider = OidcProvider()
    app = web.Application()
    app.add_routes(provider.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    # Another name than that of the inspector, which makes it another site for browsers.
    provider.issuer = f"http://localhost:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
