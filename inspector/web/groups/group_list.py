"""The page with the groups of dead letters that have the same cause."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from broker.merged.away import Away
from inspector.http.app_context import AppContext
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations import search
from inspector.operations.filters import StateFilter, describe
from inspector.operations.groups.failure_groups import Group, assignees, list_groups
from inspector.operations.search import Choices
from inspector.operations.status import incomplete
from inspector.web.dead_letters import spans
from inspector.web.filters import FilterError, inputs, parse_filter, to_address, to_form
from inspector.web.pages import Pages

MOST = 100
SPARKLINE_HEIGHT = 24

_OF_GROUPS = {"state", "assigned_to"}
"""Fields of the filter that lists of dead letters do not have."""


class Sparkline(Struct, frozen=True):
    """A chart of the last 24 hours, with a bar for each hour that has letters."""

    bars: tuple[tuple[int, float, float], ...]
    """Left edge, top and height of each."""

    words: str


def groups_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /groups."""

    async def groups(request: web.Request, principal: Principal) -> Answer:
        try:
            group_filter = parse_filter(request.query, StateFilter)
        except FilterError as error:
            return ErrorAnswer(400, f"{error}.", back="/groups")
        away: Away = {}
        found = await list_groups(context.partitions, group_filter, limit=MOST, away=away)
        choices = await search.choices(context.partitions, away=away)
        assigned = await assignees(context.partitions, away=away)
        offered = Choices({**choices.by_field, "assigned_to": assigned})
        filter_inputs = inputs(group_filter, offered, context.configured.masking)
        fields, now_ms = to_form(group_filter), context.partitions.control.clock.now_ms()
        of_letters = {name: value for name, value in fields.items() if name not in _OF_GROUPS}
        return pages.show(
            request,
            principal,
            "groups.html",
            groups=[(group, sparkline(group.hours)) for group in found],
            words=describe(group_filter) if fields else "",
            fields=fields,
            of_letters=of_letters,
            first_inputs=[item for item in filter_inputs if item.field.form == "first"],
            more_inputs=[item for item in filter_inputs if item.field.form == "more"],
            spans=spans("/groups", fields, now_ms),
            as_list=to_address("/dead", of_letters),
            total=sum(group.count for group in found),
            most=MOST,
            incomplete=incomplete(away),
            events=events,
            now_ms=now_ms,
            shown=context.configured.masking.text,
        )

    return [Route("GET", "/groups", groups)]


def sparkline(hours: tuple[int, ...]) -> Sparkline:
    """The chart of the last hours, the current one last. A bar is never too small to see."""
    most = max(hours, default=0)
    heights = [max(2.0, SPARKLINE_HEIGHT * count / most) if count else 0.0 for count in hours]
    bars = tuple((4 * at, SPARKLINE_HEIGHT - height, height) for at, height in enumerate(heights) if height)
    total, now = sum(hours), hours[-1] if hours else 0
    words = f"{total:,} in the last 24 hours, {now:,} of them in the current hour; at most {most:,} in one hour"
    return Sparkline(bars, words if total else "none in the last 24 hours")


def events(group: Group) -> list[str]:
    """The event names in a group, without letters whose event is unknown."""
    return sorted({dimensions.event for dimensions in group.dimensions if dimensions.event})
