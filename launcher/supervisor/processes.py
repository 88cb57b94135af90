"""Keeps child processes running, and stops them in order.

A child is a fork, so start them before any event loop or thread exists. Each child is a process group of its own:
a terminal's Ctrl-C reaches the parent only, which then stops the groups one after another. A child that ends by
itself is started again after a back-off, unless it ended with CONFIG_FAULT, which a new start would not fix.
SIGHUP is forwarded to the children, which reload their config; the SIGHUP of a closing terminal stops everything.
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
from runtime.backoff import Backoff

log = logging.getLogger("hookline.launcher")

CONFIG_FAULT = 2
"""The exit code of a child whose fault a new start does not fix."""

# Longer than the waits for Redis: a child that fails at its start costs a second of CPU time with each try.
_BACKOFF = Backoff(first_s=0.2, longest_s=15.0)
_SETTLED_S = 60.0
"""Seconds after which a child counts as started: its next back-off is the first one again."""

_ROUND_S = 1.0
_HURRY_S = 3.0
"""Seconds that the children get to end after a second signal."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Group(Struct, frozen=True, kw_only=True):
    """Children that run the same function."""

    name: str
    run: Callable[[int], int]
    """Called in the child with its number, from 0; returns the exit code."""

    count: int = 1
    stop_s: float
    """Seconds from SIGTERM to SIGKILL."""

    reload: Callable[[], object] = lambda: None
    """Called in the parent at SIGHUP, before the children get the signal: children that start later inherit what
    it has read. A function that several groups share is called once."""

    each_second: Callable[[], object] = lambda: None
    """Called in the parent about once a second. A function that several groups share is called once."""


class _Child:
    """A member of a group: its current process, or the time when the next one is due."""

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
        """Record that the process ended; returns the back-off in seconds."""
        now = time.monotonic()
        self._failures = 0 if now - self._started > _SETTLED_S else self._failures + 1
        backoff = _BACKOFF.delay_s(self._failures)
        self.pid = None
        self.due = now + backoff
        return backoff


def supervise(groups: list[Group], *, each_round: Callable[[], None] = lambda: None) -> int:
    """Run the groups until SIGTERM, SIGINT or a closed terminal, then stop them in the order of the list.

    Returns the exit code: 0 after a clean stop, CONFIG_FAULT when a child ended with it, 1 when a child had to be
    killed or failed at its end. A second signal is forwarded to the children, which are killed soon after.
    `each_round` is called about once a second and whenever a child of this process ends.
    """
    with _Signals() as signals:
        return _Supervisor(groups, signals, each_round).run()


class _Signals:
    """Counts stop signals and notes SIGHUP; any signal ends a wait."""

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
        """In a child: restore the default signal handlers."""
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
            self._on_sighup()
        elif signum != signal.SIGCHLD:
            self.stops += 1

    def _on_sighup(self) -> None:
        if self._had_terminal and not has_terminal():
            self.stops = max(1, self.stops)  # a closing terminal may send several signals: count one
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
                self._reload()
                for child, status in self._ended():
                    self._on_death(child, status)
                self._each_round()
            for group in self._groups:
                self._stop([child for child in self._children if child.group is group], group.stop_s)
        finally:
            self._signal(self._children, signal.SIGKILL)
        return self._code

    def _reload(self) -> None:
        is_reload, self._signals.reload = self._signals.reload, False
        for call in dict.fromkeys(group.reload if is_reload else group.each_second for group in self._groups):
            call()
        if is_reload:
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
        with contextlib.suppress(OSError):  # the child does the same: one of the two is first
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
        log.warning("%s ended (%s) and is started again in %.1f s", child.name, _how(code), backoff, extra=fields)

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
            log.warning("%s did not stop cleanly (%s)", child.name, _how(code), extra=fields)

    def _signal(self, children: list[_Child], signum: signal.Signals) -> None:
        for child in children:
            if child.pid is not None:  # not yet waited for, so the system has not used the id again
                os.kill(child.pid, signum)


def _become(child: _Child, parent: int, mask: set[int | signal.Signals]) -> NoReturn:
    """Run the child's code, and end the process with its exit code."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        signal.pthread_sigmask(
            signal.SIG_SETMASK, {*mask, signal.SIGHUP}
        )  # blocked until the child has its handler
        code = child.group.run(child.number)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        log.exception("%s failed", child.name, extra={"action": "process_failed", "child": child.name})
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
