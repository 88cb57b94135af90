"""The style and the script: few, small, held in memory, named by their content, so that browsers keep them."""

from __future__ import annotations

import hashlib
from importlib import resources

from aiohttp import hdrs, web

from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route

_TYPES = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "pick.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class Static:
    """Every file there is; no path leads to another."""

    def __init__(self) -> None:
        directory = resources.files("inspector.web").joinpath("static")
        self._files = {name: directory.joinpath(name).read_bytes() for name in _TYPES}
        self._marks = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self._files.items()}

    def address(self, name: str) -> str:
        """Where a browser finds it, in this very version."""
        return f"/static/{name}?{self._marks[name]}"

    def routes(self) -> list[Route]:
        """What answers there, without a login: the login page has a style too."""
        return [Route("GET", "/static/{name}", self._file, "none")]

    async def _file(self, request: web.Request, _: Principal) -> Answer:
        name = request.match_info["name"]
        if name not in self._files:
            return ErrorAnswer(404, "There is no such file.")
        is_this_version = request.query_string == self._marks[name]
        headers = {hdrs.CACHE_CONTROL: _FOR_EVER if is_this_version else "no-cache"}
        return web.Response(body=self._files[name], content_type=_TYPES[name], charset="utf-8", headers=headers)
