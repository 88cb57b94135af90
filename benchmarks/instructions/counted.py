"""The program that runs under callgrind: `counted.py PATH REDIS SINK CONTROL` counts one round of a path.

CONTROL is the file descriptor of a socket. Each line that this program writes there asks its parent for something,
and a line comes back when it is done.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import socket
import sys
from types import ModuleType

from benchmarks.instructions import stopped_clock
from benchmarks.instructions.callgrind import Counter
from runtime.garbage import collect_rarely


async def count(paths: ModuleType, name: str, redis: str, sink: str, control: socket.socket) -> None:
    """Run two rounds of a path, and count the second. The first fills caches and opens connections."""
    loop = asyncio.get_running_loop()
    control.setblocking(False)

    async def ask(request: str) -> None:
        await loop.sock_sendall(control, request.encode() + b"\n")
        if not await loop.sock_recv(control, 1):
            raise EOFError("the process that counts has ended")

    peers = paths.Peers(paths.RedisSettings(url=redis), sink, ask)
    path, counter = paths.PATHS[name](peers), Counter()
    await path.prepare()
    await path.run()
    await path.prepare()
    gc.collect()
    collect_rarely()  # as receivers and workers do
    counter.start()
    await path.run()
    counter.stop()
    await ask(f"counted {path.events}")
    os._exit(0)  # with stopped clocks a graceful end would take for ever


def main(name: str, redis: str, sink: str, control: str) -> None:
    """Stop the clocks before anything is imported that uses them, and count."""
    stopped_clock.stop()
    paths = importlib.import_module("benchmarks.instructions.paths")
    logging.disable(logging.INFO)
    with asyncio.Runner(loop_factory=stopped_clock.StoppedLoop) as runner:
        runner.run(count(paths, name, redis, sink, socket.socket(fileno=int(control))))


if __name__ == "__main__":
    main(*sys.argv[1:])
