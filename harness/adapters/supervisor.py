"""What stands over a worker's process: it ends it with its connection, and clears up behind it.

An interpreter runs this before anything else and forks. The child becomes the worker; the parent
stays here and runs no framework, so that it notices what a worker stuck in native code cannot: that
its standard input has ended, or that nothing was heard for a whole lease. Its source travels as
the worker's does, so it uses the standard library only, and no syntax newer than Python 3.8.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile

HEARTBEATS = "CONFORM_HEARTBEATS"
"""The variable that tells the worker which descriptor a heartbeat is to be written to."""
ENDED = "conform-worker-ended: "
"""What a line on the standard error begins with that has the worker's status and last words."""
MAX_LAST_WORDS = 4000
"""Characters of them."""


def supervise(lease: float | None) -> None:
    """Return in a child that lies in a folder of its own, and stand over it in the parent.

    Without a heartbeat for `lease` seconds the worker is ended; None is for ever.
    """
    asked = {signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    folder = tempfile.mkdtemp(prefix="conform-")
    heard, beats = os.pipe()
    worker = os.fork()
    if worker == 0:
        # A group of its own, so that its children end with it.
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, asked)
        os.close(heard)
        os.environ[HEARTBEATS] = str(beats)
        os.chdir(folder)
        return
    with contextlib.suppress(OSError):
        os.setpgid(worker, worker)  # whoever of the two comes first
    try:
        os.close(beats)
        silence(1)  # the worker's end is to be seen by those who read what it sends
        status = watched(worker, heard, lease)
        words = last_words(os.path.join(folder, "output.txt"))
        shutil.rmtree(folder, ignore_errors=True)
        said = ENDED + json.dumps({"status": status, "printed": words}) + "\n"
        os.write(2, b"\n" + said.encode("ascii"))
    finally:
        os._exit(0)


def watched(worker: int, heard: int, lease: float | None) -> int:
    """Wait for the worker's end, or bring it about; its status, negative for a signal."""
    told = []
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: told.append(number))
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD})
    poll = select.poll()
    poll.register(0, getattr(select, "POLLRDHUP", 0))  # its end alone: the worker reads it
    poll.register(heard, select.POLLIN)
    poll.register(woken, select.POLLIN)
    pid, status = os.waitpid(worker, os.WNOHANG)
    while pid == 0 and not told:
        ready = dict(poll.poll(None if lease is None else lease * 1000))
        if not ready or 0 in ready:
            break
        if woken in ready:
            os.read(woken, 512)
        if heard in ready and not os.read(heard, 512):
            poll.unregister(heard)
        pid, status = os.waitpid(worker, os.WNOHANG)
    with contextlib.suppress(OSError):  # there may be nobody any more
        os.killpg(worker, signal.SIGKILL)
    if pid == 0:
        _, status = os.waitpid(worker, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def last_words(path: str) -> str:
    """The end of what the worker wrote, if it came as far as writing."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 4 * MAX_LAST_WORDS))
            return file.read().decode("utf-8", "replace")[-MAX_LAST_WORDS:]
    except OSError:
        return ""


def silence(descriptor: int) -> None:
    """Let go of a descriptor."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
