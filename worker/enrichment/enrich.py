"""Completes payloads with data that the rules look up at the source's API, and makes their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from broker.queue.jobs import Notification
from sources.api import LookUp, filled
from sources.written_number import WrittenNumber
from worker.enrichment.provider_api import ProviderApi
from worker.outcome import Dead, Postponed, Retry
from worker.rules.payload import Payload
from worker.rules.render import Message, Renderer, RenderError
from worker.rules.rules import Rule
from worker.templates.template import seen_by_templates
from worker.worker_source import WorkerSource

GIVE_UP_AFTER_S = 10.0
"""Seconds that a notification waits for its lookups; then it is postponed."""

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=WrittenNumber).decode


class UnknownError(RenderError):
    """A template needs a value that the API does not know either."""


class Enriched(Struct, frozen=True):
    """A payload with everything that could be looked up."""

    payload: Mapping[str, Any]
    unknown: tuple[str, ...] = ()
    """For each lookup without a result, the reason."""


class LookUps:
    """Determines what rules look up, and at the API of which source. Pure."""

    def __init__(self, rules: Iterable[Rule], sources: Mapping[str, WorkerSource]) -> None:
        self._names = {rule.name: rule.enrich for rule in rules if rule.enrich}
        self.apis = {
            name: (source.api, source.kind.api)
            for name, source in sources.items()
            if self._names and source.api and source.kind.api
        }
        """Settings and API of each source that can be asked; empty where no rule looks anything up."""

    def has(self, rule: str) -> bool:
        """Return whether the rule looks anything up."""
        return rule in self._names

    def requests(
        self, rule: str, source: str, payload: Mapping[str, Any]
    ) -> tuple[list[LookUp], tuple[str, ...]] | Dead:
        """The requests that a rule needs for a payload, and for each name without a request why it stays unknown.

        Dead where the source has no API to ask.
        """
        names = self._names[rule]
        if source not in self.apis:
            error = (
                f"looking up the {' and '.join(names)}: sources.{source}.api is not set in this worker's config"
            )
            return Dead(reason="misconfigured", error=error, error_class="LookUpMisconfigured")
        _, api = self.apis[source]
        lookups, unknown = [], []
        for name in names:
            find = api.lookups.get(name)
            lookup = find(payload) if find else None
            if lookup:
                lookups.append(lookup)
            else:
                unknown.append(f"{name} unknown: the payload does not say whom to look up")
        return lookups, tuple(unknown)


class Enricher:
    """Performs the lookups of all rules; opens connections only where a rule looks something up.

    Must be created in the running event loop that will use it.
    """

    def __init__(self, rules: Iterable[Rule], sources: Mapping[str, WorkerSource]) -> None:
        self._lookups = LookUps(rules, sources)
        self._clients = {
            name: ProviderApi(name, settings, api) for name, (settings, api) in self._lookups.apis.items()
        }

    def looks_up(self, rule: str) -> bool:
        """Return whether the rule looks anything up."""
        return self._lookups.has(rule)

    async def enrich(
        self, rule: str, source: str, payload: Mapping[str, Any], *, give_up_after_s: float
    ) -> Enriched | Retry | Dead | Postponed:
        """Look up what the rule asks for and the payload lacks; Postponed after `give_up_after_s` or 10 s."""
        try:
            async with asyncio.timeout(min(give_up_after_s, GIVE_UP_AFTER_S)):
                return await self._enriched(rule, source, payload)
        except TimeoutError:
            return Postponed()

    async def close(self) -> None:
        """Close the connections to all APIs."""
        for client in self._clients.values():
            await client.close()

    async def _enriched(self, rule: str, source: str, payload: Mapping[str, Any]) -> Enriched | Retry | Dead:
        requests = self._lookups.requests(rule, source, payload)
        if isinstance(requests, Dead):
            return requests
        lookups, unknown = requests
        for lookup in lookups:
            answer = await self._clients[source].get(lookup)
            if isinstance(answer, (Retry, Dead)):
                return answer
            if answer is None:
                unknown = (*unknown, f"{lookup.key} unknown: the API of source {source} answered 404")
            else:
                payload = filled(payload, lookup.key, _decode(answer))
        return Enriched(payload, unknown)


def message_of(
    renderer: Renderer,
    notification: Notification,
    enriched: Enriched,
    payloads: Sequence[Mapping[str, Any]],
    *,
    attempt: int,
) -> Message:
    """Render a notification. payloads: those of its events, several in a digest; `enriched` is the last of them.

    Raises RenderError, UnknownError where a lookup had no result, and DecodeError where a payload that is still
    JSON cannot be decoded.
    """
    body = notification.body
    read = renderer.read(notification.rule, enriched.payload)
    seen = seen_by_templates(read, event=notification.event, source=body.source)
    if renderer.is_digest(notification.rule):
        seen["events"] = [*payloads[:-1], enriched.payload]
    try:
        rendered = renderer.render(notification.rule, seen)
    except RenderError as error:
        whole = seen_by_templates(dict(enriched.payload), event=notification.event, source=body.source)
        error = _with_all_keys(renderer, notification.rule, {**seen, **whole}, error)
        if enriched.unknown:
            raise UnknownError(f"{'; '.join(enriched.unknown)}; {error}", error.place) from None
        raise error from None
    return Message(
        key=notification.key,
        rule=notification.rule,
        source=body.source,
        event=notification.event,
        text=rendered.text,
        data={"events": [*payloads[:-1], enriched.payload]} if notification.digest else enriched.payload,
        data_json=enriched.payload.json if isinstance(enriched.payload, Payload) else b"",
        attempt=attempt,
        to=rendered.to,
        subject=rendered.subject,
        html=rendered.html,
        raw=body.body,
    )


def _with_all_keys(renderer: Renderer, rule: str, seen: dict[str, Any], error: RenderError) -> RenderError:
    """The error of rendering with the whole payload, so that it lists all keys: only some were decoded."""
    try:
        renderer.render(rule, seen)
    except RenderError as full_error:
        return full_error
    return error
