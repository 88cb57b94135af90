"""`python -m launcher` is `hookline`."""

from launcher.cli import main

main()
