"""An interpreter that starts in milliseconds, with torch, MindSpore and pytest already imported.

One process imports them and then forks for every call of a small program called `python`, which
takes the arguments of an interpreter and lends its own standard streams. What runs is the real
framework in a process of its own; what is saved is the second or two of each import. Tests about
how an interpreter starts, or about one that lacks a framework, use a real interpreter.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FRAMEWORKS = (
    *("torch", "torch._dynamo", "torch.optim.swa_utils"),
    *("mindspore", "mindspore.experimental.optim", "mindspore.train", "mindspore.dataset"),
)
MODULES = (
    "numpy",
    "execnet",
    "pytest",
    "hypothesis",
    "harness.cli",
    "harness.pytest_plugin",
)
"""What is imported before anybody asks, after `FRAMEWORKS` where a test needs them.

One that is not installed is left out. Not xdist, which notes `sys.path` as it is imported.
"""
CLIENT = """\
#!{python} -IS
import array, json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
call.update(pid=os.getpid(), executable={program!r})
text = json.dumps(call).encode()
fds = array.array("i", [0, 1, 2]).tobytes()
server.sendmsg([len(text).to_bytes(4, "little")],
               [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
server.sendall(text)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda number, _: server.sendall(bytes([number])))
for fd in (0, 1, 2):
    os.close(fd)
status = server.recv(4)
status = int.from_bytes(status, "little", signed=True) if status else -9
if status < 0:
    signal.signal(-status, signal.SIG_DFL) if status != -9 else None
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@contextmanager
def forking_python(folder: Path, modules: Iterable[str] = ()) -> Iterator[Path]:
    """The path of the program, for as long as the context lasts; `conform` is beside it.

    `modules` are imported besides what every program of the harness needs.
    """
    address = folder / "socket"
    program = folder / "python"
    text = CLIENT.format(python=sys.executable, address=str(address), program=str(program))
    program.write_text(text)
    program.chmod(0o755)
    conform, installed = folder / "conform", Path(sys.executable).with_name("conform")
    conform.write_text(f'#!/bin/sh\nexec "{program}" "{installed}" "$@"\n')
    conform.chmod(0o755)
    command = [sys.executable, __file__, str(address), *modules, *MODULES]
    # A second thread for sums over one weight would only take a core from another test.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True) as server:
        try:
            while not address.exists():
                if server.poll() is not None:
                    raise RuntimeError("the process that forks interpreters has ended")
                time.sleep(0.02)
            yield program
        finally:
            server.terminate()


def serve(address: str, modules: Iterable[str]) -> None:
    """Fork for each caller, until a signal ends this process; return in the children."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    draw_a_page()
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address + ".new")
    listener.listen(64)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    os.rename(address + ".new", address)  # noqa: PTH104
    callers: dict[int, socket.socket] = {}
    try:
        while True:
            ready, _, _ = select.select([listener, woken, *callers.values()], [], [])
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                reap(callers)
            for pid, caller in list(callers.items()):
                if caller in ready:
                    pass_on(pid, caller, callers)
            if listener in ready:
                caller, _ = listener.accept()
                call, fds = received(caller)
                pid = os.fork()
                if pid == 0:
                    for each in (listener, caller, *callers.values()):
                        each.close()
                    callers.clear()
                    os.close(woken)
                    os.close(wakes)
                    become(call, fds)
                    return
                for fd in fds:
                    os.close(fd)
                callers[pid] = caller
    finally:
        for pid in callers:
            kill(pid, signal.SIGKILL)


def draw_a_page() -> None:
    """Draw the page of an empty report: its templates are compiled from then on."""
    from harness.plan import Selection
    from harness.report import model, page
    from harness.suite import Run

    page.render(model.from_run(Run(datetime.now(UTC), 0.0, (), Selection(), (), (), False)))


def received(caller: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What is to be run, and the caller's standard streams."""
    fds = array.array("i")
    size, ancillary, _, _ = caller.recvmsg(4, socket.CMSG_SPACE(3 * fds.itemsize))
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    left = struct.unpack("<i", size)[0]
    text = b""
    while len(text) < left:
        text += caller.recv(left - len(text))
    return json.loads(text), list(fds)


def reap(callers: dict[int, socket.socket]) -> None:
    """Tell each caller how its process ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if (caller := callers.pop(pid, None)) is not None:
            with contextlib.suppress(OSError):
                caller.sendall(struct.pack("<i", code))
            caller.close()


def pass_on(pid: int, caller: socket.socket, callers: dict[int, socket.socket]) -> None:
    """Give the process the signals of its caller; where the caller is gone, end it."""
    try:
        numbers = caller.recv(16)
    except OSError:
        numbers = b""
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    if not numbers:
        kill(pid, signal.SIGKILL)
        callers.pop(pid).close()


def kill(pid: int, number: int) -> None:
    """Send a signal to a process and its group."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            send(pid, number)


def become(call: dict[str, Any], fds: list[int]) -> None:
    """Make this child what an interpreter would be that was called so."""
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(call["cwd"])
    os.environ.clear()
    os.environ.update(call["env"])
    tempfile.tempdir = None  # the environment says anew where it is
    sys.executable = call["executable"]
    os.getppid = functools.partial(parent_of, call["pid"])
    sys.path[:] = [*filter(None, call["env"].get("PYTHONPATH", "").split(os.pathsep)), *SITE]
    run.update(call)


def parent_of(pid: int) -> int:
    """The parent of a process: 1 for one that has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 1


def main_of(argv: list[str]) -> None:
    """Run what follows `python` on a command line."""
    while argv and argv[0].startswith("-") and argv[0] not in ("-c", "-m", "-"):
        option = argv.pop(0)
        if option == "-u":
            for stream in (sys.stdout, sys.stderr):
                stream.reconfigure(write_through=True)
        elif option in ("-X", "-W"):
            argv.pop(0)
    kind = argv.pop(0)
    if kind == "-c":
        sys.argv = ["-c", *argv[1:]]
        sys.path.insert(0, "")
        exec(compile(argv[0], "<string>", "exec"), vars(sys.modules["__main__"]))
    elif kind == "-m":
        sys.argv = argv
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *argv]
        sys.path.insert(0, os.path.dirname(os.path.abspath(kind)))  # noqa: PTH100, PTH120
        runpy.run_path(kind, run_name="__main__")


def ended(argv: list[str]) -> int:
    """Run what follows `python`, and say with which status it ended.

    What an interpreter does at its end is done, but for taking its modules apart, which takes half
    a second where two frameworks are imported.
    """
    status: object = 0
    try:
        main_of(argv)
    except SystemExit as error:
        status = error.code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        here = error.__traceback__
        while here is not None and here.tb_frame.f_code.co_filename in (__file__, runpy.__file__):
            here = here.tb_next
        sys.excepthook(type(error), error.with_traceback(here), here)
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    return status or 0


if __name__ == "__main__":
    run: dict[str, Any] = {}
    sys.path.pop(0)  # this folder, which a script's takes the place of
    SITE = list(sys.path)
    serve(sys.argv[1], sys.argv[2:])
    os._exit(ended(run["argv"]))
