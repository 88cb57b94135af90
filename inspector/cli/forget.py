"""`hookline forget`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import msgspec
import typer

from inspector import operations
from inspector.cli import options
from inspector.cli.app import print_json
from inspector.cli.dead.bulk_options import agreed
from inspector.cli.options import examples
from inspector.cli.session import on_redis
from inspector.formatting import count_of, printable
from inspector.operations import Forgotten, Person
from inspector.privacy.spellings import phone_digits
from sources import KINDS

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
    customer: Annotated[str, typer.Option(metavar="ID", help="The person's id.", show_default=False)] = "",
    email: Annotated[str, typer.Option(help="The person's e-mail address.", show_default=False)] = "",
    phone: Annotated[str, typer.Option(help="The person's phone number.", show_default=False)] = "",
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Remove what is kept of a person: dead letters, what waits, digests, notes. Asks first.

    Finds the person in other spellings too, and takes them out of texts of others. Then Redis rewrites its
    append-only file. Tells what it removed where, and what it could not look into; exit code 1 if anything of that
    is left.
    """
    if phone.strip() and not phone_digits(phone.strip()):
        raise typer.BadParameter("a phone number has 8 to 15 digits: +49 30 1234567", param_hint="--phone")
    names = [name for name in (customer, email, _as_phone(phone)) if name.strip()]
    if not names:
        raise typer.BadParameter("whom? Give --customer, --email or --phone")
    kinds = {name: KINDS[source.kind] for name, source in ctx.obj.sources().items()}
    try:
        person = Person(names, kinds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _ask(person, yes=yes)
    work = partial(operations.forget, person=person, terms=ctx.obj.terms(), by=ctx.obj.user())
    done = on_redis(ctx.obj, work)
    if as_json:
        print_json({**msgspec.to_builtins(done), "is_whole": done.is_whole})
    else:
        typer.echo("\n".join(_told(done)))
    raise typer.Exit(0 if done.is_whole else 1)


def _as_phone(phone: str) -> str:
    """A number without a prefix is told from an id by a bracket."""
    phone = phone.strip()
    return phone if phone[:1] in {"", "+", "0", "("} else f"({phone}"


def _ask(person: Person, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"all that is kept of {person.told}: say --yes, there is no terminal to ask on")
    if not agreed(f"Remove all that is kept of {person.told}, for good?"):
        typer.echo("nothing removed", err=True)
        raise typer.Exit(1)


def _told(done: Forgotten) -> list[str]:
    places = (
        (done.letters, count_of(done.letters, "dead letter")),
        (done.webhooks, f"{count_of(done.webhooks, 'webhook')} in the queue"),
        (done.notifications, count_of(done.notifications, "waiting notification")),
        (done.digested, f"{count_of(done.digested, 'event')} of digests"),
        (done.notes, count_of(done.notes, "note")),
        (done.actions, f"the filter, note or errors of {count_of(done.actions, 'action')}"),
        (done.audit_entries, f"the name in {count_of(done.audit_entries, 'line')} of the audit log"),
        (done.drift, f"the name in {count_of(done.drift, 'drift finding')}"),
        (done.alerts, f"the name in {count_of(done.alerts, 'alert')}"),
        (
            done.redacted,
            f"the name in the texts of {count_of(done.redacted, 'letter')} or notifications of others",
        ),
    )
    lines = [f"removed: {', '.join(told for count, told in places if count) or 'nothing, there was nothing'}"]
    if done.busy:
        lines.append(f"a worker has these just now, run it again: {', '.join(done.busy)}")
    if done.repacked:
        lines.append(f"packed anew without the person's data: {count_of(done.repacked, 'dead letter')} of others")
        lines.append("workers may pack new ones with it for an hour: run it again then")
    lines += [f"nobody can read it, and the person is in it: discard it: {name}" for name in done.unreadable]
    if done.unknown:
        lines.append(
            f"{count_of(done.unknown, 'dead letter')} that this version cannot read: the person may be in there; "
            "run it again with the version that wrote them, or discard them"
        )
    lines += [
        f"kept on disk and not looked into, run it again when it is drained: {place}" for place in done.spilled
    ]
    lines += [f"not written by Hookline and not looked into, delete it: {name}" for name in done.set_aside]
    lines.append(_of_file(done))
    lines.append(
        "not looked into: exports, backups and snapshots (RDB) of Redis, files of replicas, logs, "
        "and what channels have sent already"
    )
    return [printable(line) for line in lines]


def _of_file(done: Forgotten) -> str:
    match done.append_only_file:
        case "rewritten":
            return "Redis has rewritten its append-only file: what was removed is not in it any more"
        case "off":
            return "Redis keeps no append-only file; where it saves snapshots (RDB), run: redis-cli BGSAVE"
        case "failed":
            return (
                "what was removed is still in Redis' append-only file, which could not be rewritten: "
                f"{done.append_only_reason}; run: redis-cli BGREWRITEAOF"
            )
