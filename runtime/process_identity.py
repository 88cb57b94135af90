"""The name by which a process is known to others, in Redis and in logs."""

from __future__ import annotations

import os
import secrets
import socket


def new_process_name() -> str:
    """`host-pid-token`. The random token makes it unique, also when the system uses a process id again."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
