"""`python -m hookline` is the `hookline` command."""

from __future__ import annotations

import sys
from pathlib import Path

from hookline.command_line import main

# `python -m` searches the working directory first, the command does not: a module there must not hide a library.
if sys.path[:1] == [str(Path.cwd())]:
    sys.path.append(sys.path.pop(0))
main()
