"""The commands `hookline dead`, `groups`, `channel`, `waiting`, `status`, `audit`, `events`, `drift`, `forget`.

Tables and JSON go to stdout; questions, progress and hints go to stderr. The modules imported below register their
commands with `dead`, in the order in which its help lists them.
"""

from inspector.cli.dead import find, bulk_commands, edit, action_commands, retention  # noqa: F401, I001 - see above
from inspector.cli.app import dead
from inspector.cli.audit import audit
from inspector.cli.channels import channel
from inspector.cli.drift import drift
from inspector.cli.events import events
from inspector.cli.forget import forget
from inspector.cli.groups import groups
from inspector.cli.status import status
from inspector.cli.waiting import waiting

__all__ = ["audit", "channel", "dead", "drift", "events", "forget", "groups", "status", "waiting"]
