"""Environments and their processes: a worker or several each, replaced when they crash or hang.

A thread of its own opens the way to each worker, which over a network may take its time; all else
happens in the caller's thread, event by event.

The worker answers in the order of the requests, so the trial at the head of what it was sent is
the one that it is busy with: that one is lost when the worker dies or takes too long, and no other.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import execnet

from harness.adapters import worker as worker_module
from harness.limits import TIME_LIMIT
from harness.observation import Lost, Observation
from harness.workers.connection import SILENCE, Connection, Unreachable
from harness.workers.environment import Environment, EnvironmentSpec, as_told
from harness.workers.process import MOMENT, Worker

if TYPE_CHECKING:
    from harness.plan import Trial

IN_FLIGHT = 4
"""Requests that a worker is sent ahead: enough that it never waits, few enough for any pipe."""
START_LIMIT = 300.0
"""Seconds that a framework may take to be imported."""
MAX_STARTS_IN_VAIN = 2
"""How often a worker is started at most before it is given up."""
MAX_CONNECTIONS_IN_VAIN = 4
"""The same of a machine that was reached before; between them there are `PAUSES`."""
PAUSES = (0.0, 2.0, 5.0, 15.0)
"""Seconds before the first, second, ... new connection: a network may be away for a moment."""
HEARTBEAT = 15.0
"""Seconds between two signs of life that a worker on another machine is given."""
LEASE = 60.0
"""Seconds without any, beside those that one call of a framework may take, after which it ends."""
AT_ONCE = max(2, os.cpu_count() or 1)
"""Environments of this machine that work side by side; more would only wait for its cores."""
WORTH_A_PROCESS = 100
"""Trials that are waiting for an environment before another process is started for them."""

_END = object()


class Workers:
    """The workers of one run. Use as a context manager: leaving it ends every process."""

    def __init__(
        self,
        specs: Iterable[EnvironmentSpec],
        time_limit: float = TIME_LIMIT,
        start_limit: float = START_LIMIT,
    ) -> None:
        specs = list(specs)
        self._specs = [spec for spec in specs if not spec.absence]
        self._absent = [
            Environment(spec.name, spec.framework, failure=spec.absence)
            for spec in specs
            if spec.absence
        ]
        self._time_limit, self._start_limit = time_limit, start_limit
        self._group = execnet.Group()
        self._events: queue.SimpleQueue[tuple[Worker, Any]] = queue.SimpleQueue()
        self._workers: dict[str, Worker] = {}
        self._pending: dict[str, deque[Trial]] = {spec.name: deque() for spec in self._specs}
        self._slots: dict[str, set[str]] = {spec.name: set() for spec in self._specs}
        self._environments: dict[str, Environment] = {}
        self._given_up: dict[str, str] = {}
        self._answers: deque[tuple[Trial, Observation | Lost]] = deque()
        self._closing = threading.Event()
        self._more: dict[str, Any] = {}
        self.incidents: list[str] = []
        """What fails a run though it may cost no trial, as sentences: frameworks that cannot be
        imported, workers that died while they were starting or idle, answers that nobody asked for.
        """

    def __enter__(self) -> Workers:
        try:
            for spec in self._specs:
                self._start(spec, spec.name)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def environments(self) -> list[Environment]:
        """What each environment says of itself, once all of them have started or failed to."""
        for spec in self._specs:
            while spec.name not in self._environments:
                self._handle_next_event()
        return [*(self._environments[spec.name] for spec in self._specs), *self._absent]

    def run(
        self, trials: Iterable[Trial], more: dict[str, Any] | None = None
    ) -> Iterator[tuple[Trial, Observation | Lost]]:
        """Run `trials` in their environments, and yield each as soon as its answer is there.

        While the caller judges one, the workers go on. `more` is what every request says beside
        what its trial needs.
        """
        self._more = more or {}
        held: dict[str, list[Trial]] = {spec.name: [] for spec in self._specs}
        for trial in trials:
            held[trial.target.environment].append(trial)
        queue = deque((spec, held[spec.name]) for spec in self._specs)
        while True:
            while queue and (queue[0][0].ssh or self._at_work() < AT_ONCE):
                self._open_up(*queue.popleft())
            if self._answers:
                yield self._answers.popleft()
            elif any(w.pending or w.sent for w in self._workers.values()):
                self._handle_next_event()
            elif not queue:
                return

    def _at_work(self) -> int:
        """How many environments of this machine have something to do."""
        busy = (w.spec for w in self._workers.values() if w.pending or w.sent)
        return len({spec.name for spec in busy if not spec.ssh})

    def _open_up(self, spec: EnvironmentSpec, trials: list[Trial]) -> None:
        """Give an environment its trials."""
        self._pending[spec.name].extend(trials)
        if spec.name in self._given_up:
            self._lose_all(spec)
        for worker in list(self._workers.values()):
            if worker.spec is spec:
                self._feed(worker)
        self._start_more(spec)

    def _handle_next_event(self) -> None:
        busy = [worker for worker in self._workers.values() if worker.is_busy]
        overdue = [worker for worker in busy if worker.is_overdue(self._limit(worker))]
        if overdue:
            for worker in overdue:
                self._replace(worker, timed_out=True)
            return
        # Where nobody is busy, a worker has died before it was sent anything: its end is to come.
        deadlines = (worker.since + self._limit(worker) for worker in busy)
        left = min(deadlines, default=time.monotonic() + self._start_limit) - time.monotonic()
        try:
            worker, message = self._events.get(timeout=max(MOMENT, left))
        except queue.Empty:
            return
        worker.handled += 1
        if isinstance(message, dict) and "folder" not in message:
            message = worker.placeless(message)
        if self._workers.get(worker.slot) is not worker:
            return  # the last words of a worker that was replaced
        if isinstance(message, Unreachable):
            self._replace(worker, unreached=message)
        elif message is _END:
            self._replace(worker)
        elif worker.environment is None:
            self._greet(worker, message)
        elif message.get("id") != worker.expected_id:
            expected = repr(worker.expected_id) if worker.expected_id else "no answer"
            strayed = f"the worker answered {message.get('id')!r}, expected {expected}"
            self._replace(worker, strayed=strayed)
        else:
            from harness.workers.messages import observation

            trial = worker.sent.popleft()
            worker.since = time.monotonic()
            self._feed(worker)
            self._answers.append((trial, observation(message)))

    def _hear(self, worker: Worker, message: Any) -> None:
        """Take note of what came, in the thread in which it comes."""
        worker.heard += 1
        self._events.put((worker, message))

    def _limit(self, worker: Worker) -> float:
        limit = self._start_limit if worker.environment is None else self._time_limit
        # What is silent for longer than that is the connection, and ssh says so.
        return limit if worker.spec.ssh is None else limit + SILENCE

    def _greet(self, worker: Worker, message: dict[str, Any]) -> None:
        if "pid" in message:
            worker.pid, worker.folder = message["pid"], message["folder"]
            return
        name = worker.spec.name
        environment = as_told(worker.spec, message)
        if environment.failure and name in self._environments:  # it was there before
            unreached = Unreachable(environment.failure, missing=not environment.crashed)
            self._replace(worker, unreached=unreached)
            return
        worker.environment = environment
        if environment.failure:
            self._given_up[name] = environment.failure
        if environment.crashed:
            self.incidents.append(f"{worker.slot}: {environment.failure.strip().splitlines()[-1]}")
        self._environments.setdefault(name, environment)
        self._feed(worker)

    def _feed(self, worker: Worker) -> None:
        if worker.channel is None or worker.environment is None or worker.environment.failure:
            return
        if not worker.pending:  # as long as no trials are there, what makes them need not be
            return
        from harness.workers.messages import request

        while worker.pending and len(worker.sent) < IN_FLIGHT:
            trial = worker.next()
            try:
                asked = {**request(trial), **self._more, "id": worker.next_id}
                worker.channel.send(json.dumps(asked))
            except OSError:
                return  # it is dead: the end of its channel is on its way
            if not worker.sent:
                worker.since = time.monotonic()
            worker.was_sent(trial)

    @property
    def processes(self) -> dict[str, int]:
        """How many processes each environment has had side by side."""
        return {spec.name: len(self._slots[spec.name]) for spec in self._specs}

    def _start_more(self, spec: EnvironmentSpec) -> None:
        """As many processes as the environment may have and the waiting trials are worth.

        That may be the first one too, if it died when nothing was waiting for it.
        """
        waiting = self._pending[spec.name]
        if not waiting or spec.name in self._given_up or spec.name not in self._environments:
            return
        worth = 1 + len(waiting) // WORTH_A_PROCESS
        for number in range(1, min(spec.processes, worth) + 1):
            slot = spec.name if number == 1 else f"{spec.name} {number}"
            if slot not in self._workers:
                self._start(spec, slot)

    def _start(self, spec: EnvironmentSpec, slot: str, starts: int = 1) -> None:
        lease = LEASE + max(self._start_limit, self._time_limit)
        connection = Connection(spec.python, spec.ssh, lease)
        worker = Worker(spec, slot, connection, starts, self._pending[spec.name])
        # Trials that share graphs lie side by side, so a process starts at either end.
        worker.backwards = slot.endswith((" 2", " 4"))
        self._workers[slot] = worker
        self._slots[spec.name].add(slot)
        setup = {
            "framework": spec.framework,
            "module": spec.adapter_source.stem,
            "files": spec.files,
        }
        threading.Thread(target=self._open, args=(worker, setup), daemon=True).start()

    def _open(self, worker: Worker, setup: dict[str, Any]) -> None:
        """Reach `worker`, tell it what it is to be, and keep it alive; in a thread."""
        remote = worker.spec.ssh is not None
        if remote and self._closing.wait(PAUSES[worker.starts - 1]):
            return
        try:
            gateway = worker.connection.open(self._group)
        except Unreachable as unreached:
            self._hear(worker, unreached)
            return
        try:
            heartbeats = gateway.newchannel() if remote else None
            worker.channel = gateway.remote_exec(worker_module)
            worker.channel.setcallback(partial(self._hear, worker), endmarker=_END)
            worker.channel.send({**setup, "heartbeats": heartbeats})
            while heartbeats is not None and not self._closing.wait(HEARTBEAT):
                heartbeats.send(None)
        except OSError:  # it is dead: the end of its channel is on its way, if there is one
            if worker.channel is None:
                self._hear(worker, _END)

    def _replace(
        self,
        worker: Worker,
        timed_out: bool = False,
        unreached: Unreachable | None = None,
        strayed: str = "",
    ) -> None:
        """Stop `worker`, fail its current trial, and go on with the rest in a new one.

        `strayed` says which answer it gave instead of the expected one.
        """
        started, seconds = worker.environment is not None, time.monotonic() - worker.since
        del self._workers[worker.slot]
        ending = worker.end()
        reason = (
            f"no answer within {self._limit(worker):g} s; the process was killed"
            if timed_out
            else strayed or worker.cause_of_death(ending, unreached)
        )
        lost = Lost(timed_out, worker.placeless(reason), worker.placeless(ending.printed), seconds)
        if started and worker.sent:
            self._answers.append((worker.sent.popleft(), lost))
            if strayed:
                self.incidents.append(f"{worker.slot}: {reason}")
        elif started and worker.spec.name not in self._given_up:
            self.incidents.append(f"{worker.slot}: between two trials, {reason}")
        worker.give_back()
        if not started:
            self._start_again(worker, lost, unreached)
        elif worker.pending:
            self._start(worker.spec, worker.slot)
        for other in list(self._workers.values()):
            if other.spec is worker.spec:
                self._feed(other)

    def _start_again(self, worker: Worker, death: Lost, unreached: Unreachable | None) -> None:
        """One more try for a worker that died while it was starting, or what its end costs."""
        spec, name = worker.spec, worker.spec.name
        worked_before = name in self._environments
        if spec.ssh is not None and worked_before:
            tries = MAX_CONNECTIONS_IN_VAIN
        else:
            tries = 1 if unreached else MAX_STARTS_IN_VAIN
        if worker.starts < tries:
            self.incidents.append(f"{worker.slot}: while starting, {death.reason}")
            self._start(spec, worker.slot, worker.starts + 1)
            return
        failure = f"could not be started: {death.reason}"
        if worked_before and (self._others(worker) or not worker.pending):
            self._slots[name].discard(worker.slot)
            self.incidents.append(f"{worker.slot}: {failure}")
            return
        missing = unreached is not None and unreached.missing
        environment = Environment(
            name, spec.framework, printed=death.printed, failure=failure, crashed=not missing
        )
        self._environments.setdefault(name, environment)
        self._given_up[name] = failure
        self._lose_all(spec, death.timed_out, death.printed)

    def _lose_all(self, spec: EnvironmentSpec, timed_out: bool = False, printed: str = "") -> None:
        """Give up every waiting trial of an environment that was given up."""
        waiting = self._pending[spec.name]
        lost = Lost(timed_out, self._given_up[spec.name], printed)
        self._answers.extend((trial, lost) for trial in waiting)
        waiting.clear()

    def _others(self, worker: Worker) -> bool:
        """Whether the environment has another process."""
        return any(other.spec is worker.spec for other in self._workers.values())

    def _close(self) -> None:
        self._closing.set()
        with ThreadPoolExecutor() as pool:  # a network takes its time for each
            list(pool.map(Worker.end, self._workers.values()))
        self._group.terminate(timeout=1.0)
