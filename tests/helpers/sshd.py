"""A real sshd on the loopback, with keys of its own; the system's is neither used nor touched."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("sshd", "ssh", "ssh-keygen")


@dataclass
class Sshd:
    """A server that was started for a test."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def arguments(self) -> str:
        """What `ssh` is to be called with to get there."""
        return f"-F {self.folder}/client.conf loopback"

    def sessions(self) -> list[int]:
        """The processes of this server that serve a connection each."""
        return [pid for pid in children(self.process.pid) if "sshd" in _name(pid)]

    def drop(self) -> None:
        """Kill every session, so that its connection is closed."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop every session, so that its connection falls silent and is not closed."""
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.sessions():
            for each in [*[c for c in children(pid) if "sshd" in _name(c)], pid]:
                with suppress(ProcessLookupError):
                    os.kill(each, number)


@contextmanager
def sshd(folder: Path, tmpdir: Path) -> Iterator[Sshd]:
    """A server whose sessions have `tmpdir` for temporary files.

    Without sshd the test is skipped, and fails where CI is set.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    programs = {name: shutil.which(name, path=path) for name in PROGRAMS}
    if not all(programs.values()):
        reason = "needs sshd, ssh and ssh-keygen (Debian: openssh-server, openssh-client)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for key in ("host", "user"):
        subprocess.run(
            [programs["ssh-keygen"], "-q", "-t", "ed25519", "-N", "", "-f", folder / key],
            check=True,
        )
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = _free_port()
    host_key = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
    (folder / "server.conf").write_text(
        f"ListenAddress 127.0.0.1:{port}\n"
        f"HostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
        "PermitRootLogin yes\nMaxStartups 100\n"
        f"SetEnv TMPDIR={tmpdir}\n"
    )
    (folder / "client.conf").write_text(
        "Host loopback\n"
        "  HostName 127.0.0.1\n"
        f"  Port {port}\n"
        f"  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/user\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n"
        "  GlobalKnownHostsFile none\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs["sshd"], "-D", "-e", "-f", folder / "server.conf"], stderr=log
        )
    server = Sshd(folder, port, process)
    try:
        _wait_for(server)
        yield server
    finally:
        server.drop()
        process.terminate()
        process.wait(timeout=10)


def children(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name stands in brackets and may hold anything.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append(int(entry.name))
    return found


def below(folder: Path) -> list[int]:
    """The processes that work in a folder, or in one below it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append(int(entry.name))
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def _wait_for(server: Sshd) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return
        assert server.process.poll() is None, (server.folder / "log").read_text()
        time.sleep(0.05)
    raise AssertionError((server.folder / "log").read_text())
