"""Command line options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Source = Annotated[str, typer.Option(help="Only of this source.", show_default=False)]
Stage = Annotated[str, typer.Option(help="Only of this stage: intake or notify.", show_default=False)]
Reason = Annotated[
    str,
    typer.Option(help="Only of this reason: undecodable, poison, permanent, exhausted ...", show_default=False),
]
Channel = Annotated[str, typer.Option(help="Only of this channel.", show_default=False)]
Rule = Annotated[str, typer.Option(help="Only of this rule.", show_default=False)]
Event = Annotated[str, typer.Option(help="Only of this event name.", show_default=False)]
Fingerprint = Annotated[
    str, typer.Option("--group", metavar="FINGERPRINT", help="Only of this group.", show_default=False)
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Dead letters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is now.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
