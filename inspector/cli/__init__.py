"""`hookline dead ...`, `channel ...`, `status`, `audit`, `drift` and `forget`: faces of the operations.

Tables and JSON go to stdout, questions, progress and hints to stderr. The modules below put their commands into
`dead`; the order is that of its help.
"""

from inspector.cli.dead import find, bulk_commands, edit, action_commands, retention  # noqa: F401, I001 - see above
from inspector.cli.app import dead
from inspector.cli.audit import audit
from inspector.cli.channels import channel
from inspector.cli.drift import drift
from inspector.cli.forget import forget
from inspector.cli.status import status

__all__ = ["audit", "channel", "dead", "drift", "forget", "status"]
