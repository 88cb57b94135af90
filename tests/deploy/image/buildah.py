"""Builds the image with buildah and runs its containers, without Docker and without a registry."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.containers import ROOT
from tests.leash import leashed

IMAGE = "localhost/hookline:test"
STORAGE = ROOT / "build" / "image-test"
"""Images and containers of the test, apart from those of the user. The base stays there for the next run."""

PROGRAMS = ("buildah", "debootstrap")
_DEBIAN = "bookworm"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_STOP_S = 60


def buildah(*arguments: str) -> str:
    """Run buildah to its end, and return its output."""
    done = subprocess.run([*_program(), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"buildah {arguments[0]}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


def build(extras: str) -> None:
    """Build the Dockerfile of this repository on the base that it names, or on a Debian in place of that base."""
    (base,) = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    name = f"docker.io/library/{base}"
    if name not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
        _make_base(name)
    buildah("bud", "--isolation", "chroot", "--pull=false", "--build-arg", f"EXTRAS={extras}", "--tag", IMAGE, ".")


@contextmanager
def running(arguments: tuple[str, ...], environ: Mapping[str, str], folders: Mapping[Path, str]) -> Iterator[str]:
    """Run a container of the image in the network of this machine, and yield its name. It must stop with 0.

    folders: of this machine, with their places in the container.
    """
    name = buildah("from", "--pull=false", IMAGE)
    mounts = [f"--volume={source}:{target}:ro" for source, target in folders.items()]
    variables = [f"--env={key}={value}" for key, value in environ.items()]
    command = [
        *_program(),
        "run",
        "--isolation",
        "chroot",
        *mounts,
        *variables,
        name,
        "--",
        "hookline",
        *arguments,
    ]
    process = subprocess.Popen(leashed(command))
    try:
        yield name
        # buildah itself would kill the program.
        os.kill(next(child for child in _descendants(process.pid) if _is_hookline(child)), signal.SIGTERM)
        assert process.wait(timeout=_STOP_S) == 0
    finally:
        for left in [*_descendants(process.pid)] if process.poll() is None else ():
            os.kill(left, signal.SIGKILL)
        process.kill()
        process.wait()
        buildah("rm", name)


def succeeds(container: str, command: list[str]) -> bool:
    """Return True if a command in the container ends with 0."""
    done = subprocess.run(
        [*_program(), "run", "--isolation", "chroot", container, "--", *command], capture_output=True, check=False
    )
    return done.returncode == 0


def _program() -> list[str]:
    return [str(shutil.which("buildah")), "--root", str(STORAGE / "root"), "--runroot", str(STORAGE / "run")]


def _make_base(name: str) -> None:
    """Make an image with this name from Debian, which has a Python too."""
    folder = STORAGE / "debian"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packages = "--include=ca-certificates,python-is-python3,python3,python3-venv"
    command = ["debootstrap", "--variant=minbase", packages, _DEBIAN, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    # The authorities that this machine trusts, for a package index behind a proxy.
    shutil.copy(_CERTIFICATES, folder / _CERTIFICATES.relative_to("/"))
    (folder / "etc" / "pip.conf").write_text(f"[global]\ncert = {_CERTIFICATES}\n")
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(folder), "/")
    buildah("commit", "--quiet", "--rm", container, name)
    shutil.rmtree(folder)


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _descendants(child)


def _is_hookline(pid: int) -> bool:
    """Return whether this is the program itself, and not one of buildah's, which name it too."""
    program, *arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return program.endswith(b"/python") and b"/opt/hookline/bin/hookline" in arguments
