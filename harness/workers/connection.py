"""A worker's process and the way to it: pipes on this machine, ssh to another one.

The interpreter at the other end first runs `harness/adapters/supervisor.py`, which forks the worker
and stands over it; then execnet's own bootstrap, which needs nothing but Python there.
"""

from __future__ import annotations

import getopt
import inspect
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass

import execnet
from execnet.gateway_base import ExecModel, Popen2IO
from execnet.gateway_bootstrap import bootstrap
from execnet.xspec import XSpec

from harness import faults
from harness.adapters import supervisor
from harness.module_path import leave_out_working_directory, variables

SSH_OPTIONS = (
    # It asks nobody, and no setting of the user's for logging in by hand gets in the way.
    *("-T", "-x", "-a", "-o", "BatchMode=yes", "-o", "RemoteCommand=none"),
    *("-o", "ControlPath=none", "-o", "PermitLocalCommand=no"),
)
SSH_DEFAULTS = (
    *("-o", "ConnectTimeout=15", "-o", "LogLevel=INFO"),
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
)
"""What the user's own options overrule: the first value that ssh is given is the one it takes."""
SILENCE = 20.0
"""Seconds after which ssh takes a silent connection for dead, by these defaults."""
ENDING = 5.0
"""Seconds that a process has to end and say its last words."""
NOT_THERE = {126, 127, 255}
"""How a shell says that there is no such program, and ssh that there is no such way."""

_TAKEN = "46AaCKkqTXxYyB:b:c:D:e:F:I:i:J:L:l:m:o:p:R:S:w:"
_BOOTSTRAP = "import sys;exec(eval(sys.stdin.readline()))"


class Unreachable(Exception):
    """The interpreter was not reached; `missing` where there is none, not one that fails."""

    def __init__(self, reason: str, missing: bool) -> None:
        self.missing = missing
        super().__init__(reason)


@dataclass(frozen=True)
class Ending:
    """How a worker ended: its status, negative for a signal; its last words; what ssh said."""

    status: int | None
    printed: str
    said: str


def ssh_words(text: str) -> list[str]:
    """The words of a destination with options, checked; options first and `--` before it.

    >>> ssh_words("-p 2222 user@host -i 'a key'")
    ['-p', '2222', '-i', 'a key', '--', 'user@host']

    Raises:
        ValueError: there is no destination, more than one, or an option that cannot be used here.
    """
    try:
        options, rest = getopt.gnu_getopt(shlex.split(text), _TAKEN)
    except getopt.GetoptError as error:
        raise ValueError(f"{error.msg}, or not for a connection without a terminal") from None
    if len(rest) != 1 or not rest[0]:
        found = f"{len(rest)}: {', '.join(rest)}" if rest else "none"
        raise ValueError(f"one destination is due, and there is {found}")
    words = [_at_home(word) for pair in options for word in pair if word]
    return [*words, "--", rest[0]]


def command(python: str | None, ssh: str | None) -> list[str]:
    """What to start for an interpreter here, or on the machine that `ssh` leads to.

    >>> command("~/envs/ms 2.0/bin/python", "user@host")[-1]
    "~/'envs/ms 2.0/bin/python' -u -c 'import sys;exec(eval(sys.stdin.readline()))'"
    """
    if ssh is None:
        return [_at_home(python) if python else sys.executable, "-u", "-c", _BOOTSTRAP]
    words = ssh_words(ssh)
    there = f"{_quoted(python or 'python3')} -u -c {shlex.quote(_BOOTSTRAP)}"
    at = words.index("--")
    return ["ssh", *SSH_OPTIONS, *words[:at], *SSH_DEFAULTS, *words[at:], there]


def _at_home(word: str) -> str:
    """A word with `~` as a shell of this machine takes it."""
    return os.path.expanduser(word)  # noqa: PTH111 - it leaves a user alone that is not there


def _quoted(path: str) -> str:
    """A path for the shell over there, which knows whose home `~` is."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)


class Connection:
    """One process that runs an interpreter: opened in a thread of its own, ended from any."""

    def __init__(self, python: str | None, ssh: str | None, lease: float) -> None:
        self.python, self.ssh = python, ssh
        self._lease = lease if ssh is not None else None
        self._lock = threading.Lock()
        self._given_up = False
        self._process: subprocess.Popen[bytes] | None = None
        self._gateway: execnet.Gateway | None = None
        self._ending: Ending | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115

    def open(self, group: execnet.Group) -> execnet.Gateway:
        """Start the interpreter, and wait until it is there.

        Raises:
            Unreachable: it is not, and why.
        """
        words = command(self.python, self.ssh)
        with self._lock:
            if self._given_up:
                raise Unreachable("it was not waited for", missing=False)
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    env=variables(),
                    start_new_session=True,  # a terminal's Ctrl-C is for the harness alone
                )
            except OSError as error:
                # What only lacks handles or memory is there.
                missing = error.errno not in faults.LIMITS
                raise Unreachable(f"{words[0]}: {error.strerror}", missing) from None
            except ValueError as error:  # a NUL character
                raise Unreachable(f"{words[0]!r}: {error}", missing=True) from None
            self._process = process
        io = _Pipes(process, group.execmodel)
        try:
            io.write(_first_line(self._lease))
            gateway = bootstrap(io, self._spec(group))
        except (OSError, _NotPython) as error:
            noise = str(error) if isinstance(error, _NotPython) else ""
            raise self._unreached(process, noise) from None
        group._register(gateway)
        self._gateway = gateway
        return gateway

    def end(self) -> Ending:
        """End the process at once, and all that belongs to it, and hear what remains to be said."""
        with self._lock:
            self._given_up = True
        if self._ending is None:
            self._ending = self._end()
        return self._ending

    def _end(self) -> Ending:
        process = self._process
        if process is not None:
            self._hang_up(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=ENDING)
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # as one that waits for a disk may
                process.wait(timeout=2.0)
        if self._gateway is not None:
            self._gateway.exit()
        status, printed, said = None, "", []
        for line in self._said().splitlines():
            if line.startswith(supervisor.ENDED):
                with suppress(ValueError):  # as where the connection was lost in its middle
                    notice = json.loads(line.removeprefix(supervisor.ENDED))
                    status, printed = notice["status"], notice["printed"]
            else:
                said.append(line)
        self._stderr.close()
        return Ending(status, printed, _last(said))

    def _hang_up(self, process: subprocess.Popen[bytes]) -> None:
        if self.ssh is None:
            process.terminate()  # its supervisor may have made a folder already
        elif self._gateway is None:
            process.kill()
        else:
            # The supervisor sees its standard input end. Where the network does not take the last
            # message, the caller's patience ends, and ssh with it.
            threading.Thread(target=self._gateway.exit, daemon=True).start()

    def _spec(self, group: execnet.Group) -> XSpec:
        """What execnet wants to know of a process that it did not start itself."""
        spec = XSpec("popen" if self.ssh is None else "ssh")
        spec.python = None if self.python == sys.executable else self.python
        spec.execmodel = "main_thread_only"
        group.allocate_id(spec)
        return spec

    def _unreached(self, process: subprocess.Popen[bytes], noise: str) -> Unreachable:
        """Why there is no Python at the other end, when its process has come to its end."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            status = process.wait(timeout=ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        noise += process.stdout.read(1000).decode("utf-8", "replace")
        process.stdout.close()
        if noise:
            reason = (
                f"something writes to the standard output there before Python does: {noise!r}; "
                "a login script may print where it runs in a terminal only"
            )
            return Unreachable(reason, missing=False)
        said = _last(self._said().splitlines()) or f"it ended with exit status {status}"
        return Unreachable(said, missing=status in NOT_THERE)

    def _said(self) -> str:
        """The end of what came on the standard error, the connection's and the process's."""
        if self._stderr.closed:
            return ""
        descriptor = self._stderr.fileno()
        size = os.fstat(descriptor).st_size
        # Not by the file's own position, which is that of the process too.
        return os.pread(descriptor, 65536, max(0, size - 65536)).decode("utf-8", "replace")


class _NotPython(Exception):
    """Something else than execnet's sign of life, or nothing any more."""


class _Pipes(Popen2IO):
    """The pipes of a process, as execnet wants them."""

    def __init__(self, process: subprocess.Popen[bytes], model: ExecModel) -> None:
        super().__init__(process.stdin, process.stdout, model)
        self.popen = process
        self._is_connected = False

    def read(self, numbytes: int) -> bytes:
        """Read exactly `numbytes`; the first byte has to be Python's."""
        if self._is_connected:
            return super().read(numbytes)
        try:
            first = super().read(numbytes)
        except EOFError:
            raise _NotPython("") from None
        if first != b"1":
            raise _NotPython(first.decode("utf-8", "replace"))
        # At once: execnet reads on in a thread of its own, which does not wait for who opens this.
        self._is_connected = True
        return first

    def wait(self) -> int:
        """Wait for the process's end."""
        return self.popen.wait()

    def kill(self) -> None:
        """End the process."""
        self.popen.kill()


_OLD = """\
import sys
if sys.version_info < (3, 8):
    sys.stderr.write("Python 3.8 or later is needed, this is " + sys.version.split()[0])
    sys.exit(126)
"""


def _first_line(lease: float | None) -> bytes:
    """The supervisor, and the way on to the line that execnet sends next."""
    path = f"import os\n{inspect.getsource(leave_out_working_directory)}"
    source = inspect.getsource(supervisor)
    then = f"supervise({lease!r})\nexec(eval(sys.stdin.readline()))\n"
    # What an old Python cannot compile, it only sees as a text.
    first = f"{_OLD}{path}leave_out_working_directory()\nexec({source!r})\n{then}"
    return (repr(first) + "\n").encode()


def _last(lines: list[str]) -> str:
    """The last two lines that say something, as one."""
    return "; ".join([line.strip() for line in lines if line.strip()][-2:])
