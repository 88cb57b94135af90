"""Renders pages from templates. All values are escaped, and an undefined variable is an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jinja2
import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup

from inspector import formatting
from inspector.http.principal import Principal
from inspector.http.routing import ErrorAnswer, is_api, is_live
from inspector.operations.verbs import VERBS
from inspector.web.static import Static

_HTML = "text/html"
_SHORT_TIMES = {"minute": "%Y-%m-%d %H:%M", "clock": "%H:%M"}
_NAVIGATION = (
    ("/", "Overview"),
    ("/events", "Events"),
    ("/waiting", "Waiting"),
    ("/dead", "Dead letters"),
    ("/groups", "Groups"),
    ("/channels", "Channels"),
    ("/actions", "Actions"),
    ("/audit", "Audit"),
)


_TITLES = dict(_NAVIGATION)


class Pages:
    """Renders the templates in `templates/*.html`."""

    def __init__(self, static: Static) -> None:
        directory = resources.files("inspector.web").joinpath("templates")
        self._environment = jinja2.Environment(
            loader=jinja2.FunctionLoader(lambda name: directory.joinpath(name).read_text("utf-8")),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "span": formatting.span,
            "age": formatting.age,
            "time": time_element,
            "size": formatting.size,
            "count_of": formatting.count_of,
            "printable": formatting.printable,
            "number": lambda number: f"{number:,}",
            "short": _short,
        }
        self._environment.globals |= {"static": static.address, "navigation": _NAVIGATION, "verbs": VERBS}

    def show(
        self,
        request: web.Request,
        principal: Principal | None,
        template: str,
        *,
        status: int = 200,
        **values: object,
    ) -> web.Response:
        """A page, or only its block `live` for a request of live.js. `principal`: None without a login."""
        page = self._environment.get_template(template)
        variables: Mapping[str, Any] = {
            "principal": principal,
            "path": request.path,
            "address": request.path_qs,
            "live_address": str(request.rel_url.update_query(live="1")),
            **values,
        }
        block = page.blocks.get("live") if is_live(request) and status == 200 else None
        text = "".join(block(page.new_context(dict(variables)))) if block else page.render(variables)
        return web.Response(text=text, status=status, content_type=_HTML)

    def refuse(self, request: web.Request, principal: Principal | None, refusal: ErrorAnswer) -> web.Response:
        """An error as a page, or below /api/ as JSON."""
        if is_api(request):
            answer = web.Response(
                body=msgspec.json.encode({"error": refusal.text}),
                status=refusal.status,
                content_type="application/json",
            )
        else:
            back = refusal.back or _section(request.path)
            ways = {"back": back, "section": _TITLES[_section(back.partition("?")[0])]}
            answer = self.show(request, principal, "refusal.html", status=refusal.status, refusal=refusal, **ways)
        answer.headers.update(refusal.headers)
        if refusal.status == 401 and hdrs.WWW_AUTHENTICATE not in answer.headers:
            answer.headers[hdrs.WWW_AUTHENTICATE] = 'Form location="/login"'
        return answer


def time_element(ms: int, form: str = "") -> Markup | str:
    """A time in UTC as an element, which times.js shows in the zone of the browser; a dash for 0.

    form: `minute` for date, hour and minute, `clock` for hour and minute, both without the zone. The default is a
    time to the second, with its zone.
    """
    if not ms:
        return "-"
    at = datetime.fromtimestamp(ms // 1000, UTC)
    text = at.strftime(_SHORT_TIMES[form]) if form else formatting.moment(ms)
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), form, text
    )


def _section(path: str) -> str:
    """The page of the navigation that a path belongs to; the overview if it belongs to no other one."""
    return next((to for to in _TITLES if to != "/" and f"{path}/".startswith(f"{to}/")), "/")


def _short(text: str, chars: int = 200) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
