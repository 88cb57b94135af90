"""Static files. They are kept in memory, and their address contains a hash, so that browsers can cache them."""

from __future__ import annotations

import hashlib
from importlib import resources

from aiohttp import hdrs, web

from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route

_TYPES = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "select.js": "text/javascript",
    "times.js": "text/javascript",
    "keys.js": "text/javascript",
    "plots.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_CACHE_FOREVER = "public, max-age=31536000, immutable"


class Static:
    """The static files. No other file can be requested."""

    def __init__(self) -> None:
        directory = resources.files("inspector.web").joinpath("static")
        self._files = {name: directory.joinpath(name).read_bytes() for name in _TYPES}
        self._hashes = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self._files.items()}

    def address(self, name: str) -> str:
        """The address of this version of a file."""
        return f"/static/{name}?{self._hashes[name]}"

    def routes(self) -> list[Route]:
        """The route of the files. It needs no login, since the login page uses them too."""
        return [Route("GET", "/static/{name}", self._file, "none")]

    async def _file(self, request: web.Request, _: Principal) -> Answer:
        name = request.match_info["name"]
        if name not in self._files:
            return ErrorAnswer(404, "There is no such file.")
        is_this_version = request.query_string == self._hashes[name]
        headers = {hdrs.CACHE_CONTROL: _CACHE_FOREVER if is_this_version else "no-cache"}
        return web.Response(body=self._files[name], content_type=_TYPES[name], charset="utf-8", headers=headers)
