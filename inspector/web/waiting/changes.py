"""The form that sends waiting notifications now, or cancels them after a question."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import web
from yarl import URL

from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect, safe_redirect_path
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations.waiting.change import Verb, change, parse_places, read_places
from inspector.presentation.waiting_records import event_text
from inspector.web.pages import Pages
from inspector.web.waiting.listing import NOTHING_SELECTED

_VERBS = ("send_now", "cancel")


_NONE_LEFT = ErrorAnswer(
    409, "The notifications that you selected do not wait any more: they were sent or cancelled in the meantime."
)


def waiting_change_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The route of the form at /waiting/change."""

    async def change_selected(request: web.Request, principal: Principal) -> Answer:
        form: Any = await request.post()
        back = safe_redirect_path(str(form.get("back") or "/waiting"))
        if form.get("verb", "") not in _VERBS:
            return ErrorAnswer(400, "The form does not say what to do with the notifications.", back=back)
        verb = cast("Verb", form["verb"])
        try:
            places = parse_places(list(map(str, form.getall("id", []))))
        except ValueError as error:
            return ErrorAnswer(400, f"{error}.", back=back)
        if not places:
            return redirect(str(URL(back, encoded=True).update_query({NOTHING_SELECTED: "1"})))
        is_asked = verb == "cancel" and form.get("sure") != "yes"
        selected, results = [], []
        if is_asked:
            selected = await read_places(context.partitions, places)
            if not selected:
                return _NONE_LEFT
        else:
            results = await change(
                context.partitions,
                verb,
                places,
                by=principal.name,
                writes_history=context.configured.writes_history,
            )
        masking = context.configured.masking
        return pages.show(
            request,
            principal,
            "waiting_change.html",
            verb=verb,
            selected=selected,
            is_asked=is_asked,
            results=results,
            done=sum(result.is_done for result in results),
            back=back,
            event_text=lambda each: event_text(each, masking),
        )

    return [Route("POST", "/waiting/change", change_selected, "operate")]
