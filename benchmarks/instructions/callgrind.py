"""Runs a program under callgrind, a tool of valgrind, and reads how many instructions it executed.

Callgrind counts nothing until the program asks for it, so that the start of Python and its imports, which take
longer, do not count.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

MACHINE = "x86_64"
"""The machine for which the requests below are written."""

_START, _STOP = 0x43540004, 0x43540005
"""The numbers of the requests in callgrind.h: start and stop instrumentation."""

# valgrind.h, __VALGRIND_DO_CLIENT_REQUEST: rotations of a register that change nothing, which valgrind recognizes.
_REQUEST = bytes.fromhex(
    "4889f8"  # mov rax, rdi: the address of the request
    "31d2"  # xor edx, edx: the answer without valgrind
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi, 3; 13; 61; 51
    "4887db"  # xchg rbx, rbx
    "4889d0"  # mov rax, rdx
    "c3"  # ret
)


class Counter:
    """Switches the counting on and off, inside the program."""

    def __init__(self) -> None:
        self._code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(_REQUEST)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        self._request = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)
        self._numbers = {number: (ctypes.c_uint64 * 6)(number) for number in (_START, _STOP)}

    def start(self) -> None:
        """Count from here on."""
        self._request(self._numbers[_START])

    def stop(self) -> None:
        """Count nothing from here on."""
        self._request(self._numbers[_STOP])


def missing() -> str:
    """Return why nothing can be counted here; "" if it can."""
    if platform.machine() != MACHINE:
        return f"this machine is {platform.machine()}, and instructions are counted on {MACHINE} only"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed (Debian: apt-get install valgrind)"
    return ""


def version() -> str:
    """Return the version of valgrind."""
    answer = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout
    return answer.strip().removeprefix("valgrind-")


def processor() -> str:
    """Return what decides which processor valgrind shows to a program."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    return f"{MACHINE} " + ("with AVX2" if {"avx2", "bmi1", "bmi2"} <= has else "without AVX2")


def command(profile: Path, program: Sequence[str]) -> list[str]:
    """Return the command that runs a program under callgrind. profile: the file that it writes."""
    return [
        shutil.which("valgrind") or "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--quiet",
        f"--callgrind-out-file={profile}",
        *program,
    ]


def count_in(profile: Path) -> int:
    """Return how many instructions a profile counts."""
    found = re.search(r"^totals: (\d+)$", profile.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
