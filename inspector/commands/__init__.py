"""`hookline dead ...`, `hookline status`, `hookline audit`: faces of the operations.

Tables and JSON go to stdout, questions, progress and hints to stderr. The modules below put their commands into
`dead`; the order is that of its help.
"""

from inspector.commands import finding, acting, editing, following  # noqa: F401, I001 - see above
from inspector.commands.app import dead
from inspector.commands.audit import audit
from inspector.commands.status import status
from inspector.keeping_commands import register

register(dead)

__all__ = ["audit", "dead", "status"]
