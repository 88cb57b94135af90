"""Child processes, kept running and stopped in order.

A child is a fork, so start them before any event loop or thread exists. Each is a process group of its own: a
terminal's Ctrl-C reaches the parent only, which then stops the groups one after another. A child that ends unasked
is started again after a back-off, unless it ended with CONFIG_FAULT: starting again would not mend that.
SIGHUP is passed on to the children, to whom it means to read their config again; that of a closing terminal stops.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from msgspec import Struct

from launcher.supervisor.parent_death import die_with_parent
from launcher.supervisor.reload_signal import has_terminal

logger = logging.getLogger("hookline.processes")

CONFIG_FAULT = 2
"""The exit code of a child that no new start can mend."""

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 15.0
_SETTLED_S = 60.0
"""A child that ran for so long is not failing at its start: its next back-off is the first again."""

_ROUND_S = 1.0
_HURRY_S = 3.0
"""What is left to the children after a second signal."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Group(Struct, frozen=True, kw_only=True):
    """Children that do the same."""

    name: str
    run: Callable[[int], int]
    """(number, from 0) -> exit code. Runs in the child."""

    count: int = 1
    stop_s: float
    """Seconds from SIGTERM to SIGKILL."""

    reload: Callable[[], object] = lambda: None
    """Called in the parent at SIGHUP, before the children get it: later children begin with what it has read.
    What several groups have in common is called once."""

    look: Callable[[], object] = lambda: None
    """Called in the parent about once a second."""


class _Child:
    """One place in a group: the process that holds it now, or when the next one is due."""

    def __init__(self, group: Group, number: int) -> None:
        self.group = group
        self.number = number
        self.name = f"{group.name} {number + 1}" if group.count > 1 else group.name
        self.pid: int | None = None
        self.due = 0.0
        self._started = 0.0
        self._failures = 0

    def started(self, pid: int) -> None:
        self.pid = pid
        self._started = time.monotonic()

    def ended(self) -> float:
        """Note the end; returns the back-off in seconds."""
        now = time.monotonic()
        self._failures = 0 if now - self._started > _SETTLED_S else self._failures + 1
        backoff = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(max(0, self._failures - 1), 16))
        self.pid = None
        self.due = now + backoff
        return backoff


def supervise(groups: list[Group], *, each_round: Callable[[], None] = lambda: None) -> int:
    """Run the groups until SIGTERM, SIGINT or a closed terminal, then stop them in the order given.

    Returns the exit code: 0 after a clean stop, CONFIG_FAULT when a child ended with it, 1 when a child had to be
    killed or failed at its end. A second signal is passed on to the children, which are killed soon after.
    `each_round` is called about once a second and whenever a child of this process ends.
    """
    with _Signals() as signals:
        return _Supervisor(groups, signals, each_round).run()


class _Signals:
    """Notes what was asked for, and lets a wait end as soon as any signal comes."""

    def __init__(self) -> None:
        self.stops = 0
        self.reload = False
        self._had_terminal = has_terminal()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __enter__(self) -> _Signals:
        self._previous_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._previous = {
            signum: signal.signal(signum, self._on_signal)
            for signum in _SIGNALS
            # nohup ignores SIGHUP on purpose; a shell's `&` ignores SIGINT too, but `kill -INT` must still stop us
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN
        }
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        self._close()

    def wait(self, seconds: float) -> None:
        select.select([self._read], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def forget(self) -> None:
        """In a child: as if nobody had listened to signals here."""
        signal.set_wakeup_fd(-1)
        for signum in self._previous:
            signal.signal(signum, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._close()

    def _close(self) -> None:
        os.close(self._read)
        os.close(self._write)

    def _on_signal(self, signum: int, _: FrameType | None) -> None:
        if signum == signal.SIGHUP:
            self._on_hangup()
        elif signum != signal.SIGCHLD:
            self.stops += 1

    def _on_hangup(self) -> None:
        if self._had_terminal and not has_terminal():
            self.stops = max(1, self.stops)  # it closes once, however many tell of it
        else:
            self.reload = True


class _Supervisor:
    def __init__(self, groups: list[Group], signals: _Signals, each_round: Callable[[], None]) -> None:
        self._groups = groups
        self._children = [_Child(group, number) for group in groups for number in range(group.count)]
        self._signals = signals
        self._each_round = each_round
        self._code = 0

    def run(self) -> int:
        try:
            while not self._signals.stops and self._code != CONFIG_FAULT:
                self._start_due()
                self._signals.wait(self._until_due())
                self._read_again()
                for child, status in self._ended():
                    self._on_death(child, status)
                self._each_round()
            for group in self._groups:
                self._stop([child for child in self._children if child.group is group], group.stop_s)
        finally:
            self._signal(self._children, signal.SIGKILL)
        return self._code

    def _read_again(self) -> None:
        asked, self._signals.reload = self._signals.reload, False
        for tell in dict.fromkeys(group.reload if asked else group.look for group in self._groups):
            tell()
        if asked:
            self._signal(self._children, signal.SIGHUP)

    def _start_due(self) -> None:
        for child in self._children:
            if child.pid is None and child.due <= time.monotonic():
                child.started(self._fork(child))

    def _until_due(self) -> float:
        waits = [child.due - time.monotonic() for child in self._children if child.pid is None]
        return min([_ROUND_S, *waits])

    def _fork(self, child: _Child) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._signals.forget()
                _become(child, parent, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with contextlib.suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        return pid

    def _ended(self) -> Iterator[tuple[_Child, int]]:
        for child in self._children:
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                yield child, os.waitstatus_to_exitcode(status)

    def _on_death(self, child: _Child, code: int) -> None:
        backoff = child.ended()
        fields = {"action": "process_ended", "child": child.name, "exit_code": code}
        if code == CONFIG_FAULT:
            self._code = CONFIG_FAULT
            return
        logger.warning("%s ended (%s): starts again in %.1f s", child.name, _how(code), backoff, extra=fields)

    def _stop(self, children: list[_Child], stop_s: float) -> None:
        hurried = self._signals.stops > 1
        self._signal(children, signal.SIGTERM)
        deadline = time.monotonic() + (_HURRY_S if hurried else stop_s)
        while any(child.pid is not None for child in children):
            self._signals.wait(min(_ROUND_S, deadline - time.monotonic()))
            if self._signals.stops > 1 and not hurried:
                hurried = True
                self._signal(children, signal.SIGTERM)
                deadline = min(deadline, time.monotonic() + _HURRY_S)
            if time.monotonic() >= deadline:
                self._signal(children, signal.SIGKILL)
            for child, code in self._ended():
                child.ended()
                self._note_end(child, code)
            self._each_round()

    def _note_end(self, child: _Child, code: int) -> None:
        if code not in (0, -signal.SIGTERM):
            self._code = self._code or 1
            fields = {"action": "process_ended", "child": child.name, "exit_code": code}
            logger.warning("%s did not stop cleanly (%s)", child.name, _how(code), extra=fields)

    def _signal(self, children: list[_Child], signum: signal.Signals) -> None:
        for child in children:
            if child.pid is not None:  # not yet waited for, so the id is still its own
                os.kill(child.pid, signum)


def _become(child: _Child, parent: int, mask: set[int | signal.Signals]) -> NoReturn:
    """Be the child, and never return into the parent's code."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, {*mask, signal.SIGHUP})  # it waits until the child listens
        code = child.group.run(child.number)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        logger.exception("%s failed", child.name, extra={"action": "process_failed", "child": child.name})
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
