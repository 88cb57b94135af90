"""The channels of all partitions. Each partition has its own circuit breaker, pause and held jobs of a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from broker.queue import channel_state
from broker.queue.channel_state import Channel, ChannelStates, CircuitState
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.fan_out import Answers, ask_all
from broker.redis.partitions import Partitions, named

_WORST_FIRST: tuple[CircuitState, ...] = ("paused", "open", "half-open", "closed")


async def read_states(redis: Client) -> ChannelStates:
    """Read the channels of one partition, with the time. Raises BrokerError."""
    return ChannelStates(await clock.now_ms(redis), await channel_state.read_channels(redis))


def merge_channels(states: Mapping[int, ChannelStates]) -> list[Channel]:
    """Return each channel with its worst state, ordered by name. states: by the number of the partition.

    Held jobs are added up. Of failures and times the largest counts, and of pauses the first.
    """
    names = sorted({channel.name for state in states.values() for channel in state.channels})
    return [_merge(name, states) for name in names]


def _merge(name: str, states: Mapping[int, ChannelStates]) -> Channel:
    here: dict[int, Channel] = {}
    by_state: dict[CircuitState, list[int]] = {}
    for number, (at_ms, channels) in states.items():
        channel = next((channel for channel in channels if channel.name == name), Channel.closed(name))
        here[number] = channel
        by_state.setdefault(channel.state(at_ms), []).append(number)
    worst = next(by_state[state] for state in _WORST_FIRST if state in by_state)
    return Channel(
        name,
        failures=max(channel.failures for channel in here.values()),
        opened=max(channel.opened for channel in here.values()),
        open_until_ms=max(channel.open_until_ms for channel in here.values()),
        paused_since_ms=min((c.paused_since_ms for c in here.values() if c.paused_since_ms), default=0),
        held=sum(channel.held for channel in here.values()),
        failing_since_ms=min((c.failing_since_ms for c in here.values() if c.failing_since_ms), default=0),
        cause=next((channel.cause for channel in here.values() if channel.cause), ""),
        only_in_partitions=tuple(worst) if len(worst) < len(here) else (),
    )


async def read_channels(partitions: Partitions) -> Answers[ChannelStates]:
    """Read the channels of all partitions, for `merge_channels`. Raises BrokerError if none answers."""
    return await ask_all(partitions, read_states)


async def pause(partitions: Partitions, channel: str, *, by: str) -> bool:
    """Pause a channel in all partitions until `resume`. Returns False if it was already paused in all of them.

    by: the name of the person. There is one audit entry, in the first partition that this changes. Raises
    BrokerError, also if only some partitions took it; it can then be repeated.
    """
    return await _change(partitions, channel, channel_state.pause, by, "paused")


async def resume(partitions: Partitions, channel: str, *, by: str) -> bool:
    """End the pause of a channel in all partitions. Returns False if it was paused in none of them.

    by, audit entry and errors: as for `pause`.
    """
    return await _change(partitions, channel, channel_state.resume, by, "resumed")


async def probe(partitions: Partitions, channel: str, *, by: str) -> bool:
    """Let a held job try the channel now, in each partition whose breaker is open. Returns False if none is.

    by, audit entry and errors: as for `pause`.
    """
    return await _change(partitions, channel, channel_state.probe, by, "probed")


async def _change(
    partitions: Partitions,
    channel: str,
    change: Callable[..., Awaitable[bool]],
    by: str,
    done: str,
) -> bool:
    if len(partitions) == 1:
        return await change(partitions.control, channel, by=by)
    there = await ask_all(partitions, clock.ask_ms)
    away, is_changed = dict(there.away), False
    # One after the other: the first that changes writes the audit entry, before anything else changes.
    for number in there.by_partition:
        try:
            is_changed |= await change(partitions[number], channel, by="" if is_changed else by)
        except BrokerError as error:
            away[number] = error
    if away:
        raise Unavailable(_partly(channel, done, away))
    return is_changed


def _partly(channel: str, done: str, away: Mapping[int, BrokerError]) -> str:
    reason = next(iter(away.values()))
    return (
        f"channel {channel} is {done}, but not in {named(away)}: repeat this when Redis is back there ({reason})"
    )
