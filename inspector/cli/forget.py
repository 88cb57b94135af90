"""The command `hookline forget`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import msgspec
import typer

from broker.repartition.run import Orders
from broker.repartition.state import RepartitionError
from inspector.cli import options
from inspector.cli.app import print_json
from inspector.cli.dead.bulk_commands import confirm
from inspector.cli.options import examples
from inspector.cli.session import Context
from inspector.formatting import count_of, printable
from inspector.operations.erasure.result import ForgetResult
from inspector.operations.forget import forget_everywhere
from inspector.privacy.name_matcher import phone_digits
from inspector.privacy.person import Person
from runtime.process_identity import new_process_name
from sources.source_kinds import provider_of

forget = typer.Typer(add_completion=False)


@forget.command(
    "forget",
    epilog=examples(
        "hookline forget --customer cust_Uh3oTWcM --email ada@example.com",
        "hookline forget --email ada@example.com --yes --json",
    ),
)
def forget_(
    ctx: typer.Context,
    *,
    customer: Annotated[
        str, typer.Option(metavar="ID", help="The id of the person at the provider.", show_default=False)
    ] = "",
    email: Annotated[str, typer.Option(help="The person's e-mail address.", show_default=False)] = "",
    phone: Annotated[str, typer.Option(help="The person's phone number.", show_default=False)] = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove all data of a person: dead letters, waiting webhooks and notifications, digests, notes.

    Also finds other spellings.
    Also removes the person from texts about other people.
    Then Redis rewrites its append-only file.
    Asks for confirmation.
    Prints what was removed, and what could not be searched.
    Exit code 1 if data may be left. Then follow the printed advice.
    """
    if phone.strip() and not phone_digits(phone.strip()):
        raise typer.BadParameter(
            "a phone number has 8 to 15 digits, for example +49 30 1234567", param_hint="--phone"
        )
    names = [name for name in (customer, email, _as_phone(phone)) if name.strip()]
    if not names:
        raise typer.BadParameter("no person given; use --customer, --email or --phone")
    kinds = {name: provider_of(source) for name, source in ctx.obj.sources().items()}
    try:
        person = Person(names, kinds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _confirm(person, yes=yes)
    try:
        done = asyncio.run(forget_everywhere(ctx.obj.redis(), _orders(ctx.obj), person, by=ctx.obj.user()))
    except RepartitionError as error:
        typer.echo(f"nothing removed while data moves to other partitions: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json({**msgspec.to_builtins(done), "is_complete": done.is_complete})
    else:
        typer.echo("\n".join(_report(done)))
    raise typer.Exit(0 if done.is_complete else 1)


def _orders(context: Context) -> Orders:
    """How data that is under way to another partition arrives there."""
    return Orders(
        owner=new_process_name(),
        bucket_of=context.event_bucket(),
        terms=context.search_terms(),
        durability=context.durability(),
        report=lambda _kind, _count: None,
    )


def _as_phone(phone: str) -> str:
    """A phone number in a form that cannot be mistaken for an id."""
    # Digits alone could be an id, so a bracket marks them as a phone number.
    phone = phone.strip()
    return phone if phone[:1] in {"", "+", "0", "("} else f"({phone}"


def _confirm(person: Person, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"to remove all data of {person.masked_names}, add --yes: there is no terminal to ask on"
        )
    if not confirm(f"Remove all data of {person.masked_names}? This cannot be undone."):
        typer.echo("nothing removed", err=True)
        raise typer.Exit(1)


def _report(done: ForgetResult) -> list[str]:
    places = (
        (done.letters, count_of(done.letters, "dead letter")),
        (done.webhooks, f"{count_of(done.webhooks, 'webhook')} in the queue"),
        (done.notifications, count_of(done.notifications, "waiting notification")),
        (done.digested, f"{count_of(done.digested, 'event')} in digests"),
        (done.history, f"{count_of(done.history, 'event')} in the history"),
        (done.notes, count_of(done.notes, "note")),
        (done.actions, f"the filter, note or errors of {count_of(done.actions, 'action')}"),
        (done.audit_entries, f"the name in {count_of(done.audit_entries, 'line')} of the audit log"),
        (done.drift, f"the name in {count_of(done.drift, 'drift finding')}"),
        (done.alerts, f"the name in {count_of(done.alerts, 'alert')}"),
        (
            done.redacted,
            f"the name in texts of {count_of(done.redacted, 'letter')} or notifications of other people",
        ),
    )
    lines = [f"removed: {', '.join(text for count, text in places if count) or 'nothing was found'}"]
    lines += [
        f"partition {number} is away, so nothing more was removed there; the rest is done; run it again when "
        f"Redis is back there: {error}"
        for number, error in done.away.items()
    ]
    if done.has_moved:
        lines.append("data began to move to other partitions meanwhile; run it again when that is done")
    if done.busy:
        lines.append(f"a worker is processing these; run it again: {', '.join(done.busy)}")
    if done.repacked:
        lines.append(f"compressed again without the person's data: {count_of(done.repacked, 'dead letter')}")
        lines.append("workers may use the data to compress new letters for an hour; run it again after that")
    lines += [f"holds data of the person but cannot be read; discard it: {name}" for name in done.unreadable]
    if done.unknown:
        lines.append(
            f"{count_of(done.unknown, 'dead letter')} cannot be read by this version and may hold data of the "
            "person; run it again with the version that wrote them, or discard them"
        )
    lines += [
        f"not searched, webhooks on disk; run it again when they are in Redis: {place}" for place in done.spilled
    ]
    lines += [f"not searched, not written by Hookline; delete it: {name}" for name in done.set_aside]
    lines.append(_append_only_file(done))
    lines.append(
        "not searched: exports, backups and snapshots (RDB) of Redis, files of replicas, logs, "
        "and notifications that were sent already"
    )
    return [printable(line) for line in lines]


def _append_only_file(done: ForgetResult) -> str:
    match done.append_only_file:
        case "rewritten":
            return "Redis has rewritten its append-only file without the removed data"
        case "off":
            return "Redis has no append-only file; if it saves snapshots (RDB), run: redis-cli BGSAVE"
        case "failed":
            return (
                "the removed data is still in the append-only file of Redis, which could not be rewritten: "
                f"{done.append_only_reason}; run: redis-cli BGREWRITEAOF"
            )
