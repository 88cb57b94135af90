"""`hookline dead ...`, `channel ...`, `status`, `audit`, `drift` and `forget`: faces of the operations.

Tables and JSON go to stdout, questions, progress and hints to stderr. The modules below put their commands into
`dead`; the order is that of its help.
"""

from inspector.commands import finding, acting, editing, following, keeping  # noqa: F401, I001 - see above
from inspector.commands.app import dead
from inspector.commands.audit import audit
from inspector.commands.channels import channel
from inspector.commands.drifting import drift
from inspector.commands.forgetting import forget
from inspector.commands.status import status

__all__ = ["audit", "channel", "dead", "drift", "forget", "status"]
