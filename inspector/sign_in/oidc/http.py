"""Requests to the provider, bounded in time and size."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from yarl import URL

from inspector.sign_in.oidc.errors import ProviderUnavailableError

TIMEOUT_S = 4.0
"""Seconds that one answer may take. A login needs three at most, within the time of a request to the inspector."""

MAX_BYTES = 256 * 1024


_NO_HEADERS: Mapping[str, str] = {}


async def ask(
    url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] = _NO_HEADERS
) -> tuple[int, bytes]:
    """Return status and body of a GET, or with `form` of a POST. Redirects are not followed.

    Raises ProviderUnavailableError.
    """
    host = URL(url).host
    # Logins are rare, so each request has a session of its own, and nothing is open in between.
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar(), trust_env=True
    )
    try:
        async with (
            session,
            session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers={"Accept": "application/json", **headers},
                allow_redirects=False,
            ) as response,
        ):
            return response.status, await _read(response)
    except TimeoutError:
        raise ProviderUnavailableError(f"{host} did not answer within {TIMEOUT_S:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ProviderUnavailableError(f"{host} cannot be reached: {type(error).__name__}") from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_chunked(16 * 1024):
        content += piece
        if len(content) > MAX_BYTES:
            raise ProviderUnavailableError(f"{response.url.host} answered with more than {MAX_BYTES // 1024} KiB")
    return bytes(content)
