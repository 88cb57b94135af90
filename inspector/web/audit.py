"""The page with the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from aiohttp import web
from msgspec import Struct

from broker.merged import audit as audit_log
from broker.merged.audit import AuditPage
from broker.monitoring.audit import StoredAuditEntry
from broker.redis.partitions import Partitions
from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import redirect
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.http.search_tokens import SearchExpiredError
from inspector.operations.filter_fields import FilterField, declared_fields
from inspector.operations.status import incomplete
from inspector.web.filters import FilterError, parse_filter, plain_input, to_address, to_form
from inspector.web.pages import Pages
from runtime.ids import is_id

PAGE_SIZE = 50

_READ = 500
"""Entries that one read returns while entries that match are looked for."""

_MOST_READS = 20
"""Most reads for one page. Beyond it the page may be shorter, and the link to older entries continues."""

_BY = "by"
"""The field of the form with the name of a user."""

_OPERATIONS = (
    *("login", "reveal", "export", "import", "replay", "discard", "annotate", "edit", "dry_run", "stop", "resume"),
    *("pause", "probe", "purge", "forget", "forgot", "send_now", "cancel"),
    *("resolve", "reopen", "mute", "unmute", "assign", "unassign"),
)


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Selects audit entries that match every field that is set."""

    by: Annotated[str, FilterField(label="Who", phrase="")] = ""
    what: Annotated[str, FilterField(label="What", phrase="")] = ""
    since_ms: Annotated[int, FilterField(label="Since", phrase="")] = 0

    def matches(self, entry: StoredAuditEntry) -> bool:
        """Return whether an entry has this user, in any case, and this operation. The time is not checked."""
        recorded = entry.audit_entry
        return self.by.casefold() in ("", recorded.by.casefold()) and self.what in ("", recorded.what)


class _Found(Struct, frozen=True):
    """Entries that match, and where the next page begins; "" on the last page."""

    page: AuditPage
    older: str


def audit_routes(context: AppContext, pages: Pages) -> list[Route]:
    """The page at /audit."""

    async def audit(request: web.Request, principal: Principal) -> Answer:
        before = request.query.get("before", "")
        if before and not audit_log.is_position(before):
            return ErrorAnswer(
                400, "before must be a value from a link on a page of the audit log.", back="/audit"
            )
        try:
            fields = context.searches.from_address(principal.name, request.query, _BY)
            audit_filter = parse_filter(fields, AuditFilter)
        except SearchExpiredError as error:
            return ErrorAnswer(410, str(error), back="/audit")
        except FilterError as error:
            return ErrorAnswer(400, f"{error}.", back="/audit")
        found = await _find(context.partitions, audit_filter, before)
        fields = to_form(audit_filter)
        address = _address_fields(context, principal, fields)
        return pages.show(
            request,
            principal,
            "audit.html",
            audit_entries=found.page.entries,
            incomplete=incomplete(found.page.away),
            fields=fields,
            inputs=[plain_input(audit_filter, field, _options(field)) for field in declared_fields(AuditFilter)],
            newest=to_address("/audit", address),
            older=to_address("/audit", {**address, "before": found.older}) if found.older else "",
            is_first=not before,
            is_id=is_id,
            shown=context.configured.masking.text,
        )

    async def filter_by_form(request: web.Request, principal: Principal) -> Answer:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            fields = to_form(parse_filter(form, AuditFilter))
        except FilterError as error:
            return ErrorAnswer(400, f"{error}.", back="/audit")
        return redirect(to_address("/audit", _address_fields(context, principal, fields)))

    return [Route("GET", "/audit", audit), Route("POST", "/audit", filter_by_form)]


def _address_fields(context: AppContext, principal: Principal, fields: Mapping[str, str]) -> Mapping[str, str]:
    """The fields of a filter for an address, in which the name of a user that is an e-mail address is a token."""
    return context.searches.for_address(principal.name, fields, _BY) if "@" in fields.get(_BY, "") else fields


async def _find(partitions: Partitions, audit_filter: AuditFilter, before: str) -> _Found:
    """The newest entries that match before a position. Raises BrokerError."""
    matching: list[StoredAuditEntry] = []
    is_filtered = audit_filter != AuditFilter()
    for _ in range(_MOST_READS):
        read = await audit_log.read(partitions, before=before, count=_READ if is_filtered else PAGE_SIZE + 1)
        for entry in read.entries:
            if entry.at_ms < audit_filter.since_ms:
                return _Found(AuditPage(matching, read.away), "")
            if not audit_filter.matches(entry):
                continue
            if len(matching) == PAGE_SIZE:
                return _Found(AuditPage(matching, read.away), matching[-1].id)
            matching.append(entry)
        if len(read.entries) < _READ:
            return _Found(AuditPage(matching, read.away), "")
        before = read.entries[-1].id
    return _Found(AuditPage(matching, read.away), before)


def _options(field: FilterField) -> tuple[tuple[str, str], ...]:
    if field.name != "what":
        return ()
    return (("", "any"), *((name, name.replace("_", " ")) for name in _OPERATIONS))
