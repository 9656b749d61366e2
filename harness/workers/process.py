"""One process of an environment, and the trials that it was sent or will be."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import execnet

from harness.workers.connection import Connection, Ending, Unreachable
from harness.workers.environment import Environment, EnvironmentSpec

if TYPE_CHECKING:
    from harness.plan import Trial

MOMENT = 0.2
"""Seconds that what has come needs at most to be seen."""


@dataclass(eq=False)
class Worker:
    """One process, and the trials that it was sent or will be."""

    spec: EnvironmentSpec
    slot: str
    connection: Connection
    starts: int
    pending: deque[Trial]
    channel: execnet.Channel | None = None
    since: float = field(default_factory=time.monotonic)
    environment: Environment | None = None
    pid: int | None = None
    folder: str | None = None
    backwards: bool = False
    """Whether it takes the last pending trial first, so that two processes meet in the middle."""
    sent: deque[Trial] = field(default_factory=deque)
    asked: int = 0
    """Requests so far."""
    heard: int = 0
    handled: int = 0
    doubted: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is due from it."""
        return self.environment is None or bool(self.sent)

    def next(self) -> Trial:
        """The trial that it is to be sent next, which stays pending."""
        return self.pending[-1 if self.backwards else 0]

    @property
    def next_id(self) -> str:
        """The id of the next request and of its answer: a number, since a trial may be sent again,
        and the trial's id.
        """
        return f"{self.asked + 1} {self.next().id}"

    @property
    def expected_id(self) -> str:
        """The id that the next answer must have; empty where no answer is expected."""
        return f"{self.asked - len(self.sent) + 1} {self.sent[0].id}" if self.sent else ""

    def was_sent(self, trial: Trial) -> None:
        """Take note that `next` was sent."""
        self.asked += 1
        self.sent.append(trial)
        if self.backwards:
            self.pending.pop()
        else:
            self.pending.popleft()

    def placeless(self, said: Any) -> Any:
        """What a worker said without the path of its folder, which is another one in each run.

        Texts in lists and dicts too; anything else is as it was.
        """
        if isinstance(said, str) and self.folder is not None:
            return said.replace(self.folder, "…")
        if isinstance(said, list):
            return [self.placeless(item) for item in said]
        if isinstance(said, dict):
            return {key: self.placeless(item) for key, item in said.items()}
        return said

    def give_back(self) -> None:
        """Let others have what it was sent."""
        if self.backwards:
            self.pending.extend(reversed(self.sent))
        else:
            self.pending.extendleft(reversed(self.sent))
        self.sent.clear()

    def is_overdue(self, limit: float) -> bool:
        """Whether it takes longer than `limit` seconds, and nothing came that was not looked at.

        It is given a moment more, for what was sent while the whole harness was stopped.
        """
        now = time.monotonic()
        if self.heard != self.handled or now < self.since + limit:
            self.doubted = None
        elif self.doubted is None:
            self.doubted = now
        return self.doubted is not None and now >= self.doubted + MOMENT

    def cause_of_death(self, ending: Ending, unreached: Unreachable | None) -> str:
        """A sentence for the report."""
        if unreached is not None:
            return str(unreached)
        failed = self._failed()
        if failed:
            return f"the worker failed: {failed}"
        if ending.status is None and self.spec.ssh is not None:
            return f"the connection was lost: {ending.said or 'ssh did not say why'}"
        if ending.status is None:
            return "the process died"
        if ending.status < 0:
            name = signal.Signals(-ending.status).name
            return f"the process died of signal {-ending.status} ({name})"
        return f"the process died with exit status {ending.status}"

    def end(self) -> Ending:
        """End the process at once, and clear up behind it."""
        ending = self.connection.end()
        if ending.status is None and self.spec.ssh is None:
            self._clear_up()
        return ending

    def _failed(self) -> str:
        """What the worker's own program was ended by, if it was."""
        if self.channel is not None:
            try:
                self.channel.waitclose(timeout=1.0)
            except self.channel.RemoteError as error:
                return str(error).strip().splitlines()[-1]
            except (OSError, EOFError):
                pass
        return ""

    def _clear_up(self) -> None:
        """What its supervisor would have done, if that was killed itself."""
        if self.pid is not None:
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
