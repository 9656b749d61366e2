"""pytest -n: cases are shared out over pytest's processes, and their reports made one.

A process is given a share of some whole cases, with which its frameworks go ahead, and sends it
back judged: a process that dies costs its share. The one that shares out starts no framework and
judges nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from harness.pytest_plugin import begin, shares
from harness.report.merging import Part, merged
from harness.report.model import Report, TrialEntry
from harness.report.reading import parse

_TRIAL = re.compile(r".*?\.ya?ml::(?P<trial>.*)", re.DOTALL)


class InShares(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process a share of the trials at a time; whatever is no trial goes by itself."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._shares: dict[str, int] = {}

    def schedule(self) -> None:
        if not self._shares:
            collected: list[str] = next(iter(self.registered_collections.values()))
            self._shares = shares(filter(_TRIAL.match, collected), self.numnodes)
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return f"share {self._shares[nodeid]}" if nodeid in self._shares else nodeid

    def remove_node(self, node: WorkerController) -> str | None:
        """Give what a dead process has left to the others, but for the item that it died of."""
        left = {
            scope: unit
            for scope, items in self.assigned_work.pop(node).items()
            if (unit := {nodeid: False for nodeid, done in items.items() if not done})
        }
        if not left:
            return None
        scope, unit = next(iter(left.items()))
        crashed = next(iter(unit))
        del unit[crashed]
        if not unit:
            del left[scope]
        self.workqueue.update(left)
        for other in self.assigned_work:
            self._reschedule(other)
        return str(crashed)


class Controller:
    """Makes one report of what pytest's processes have judged."""

    def __init__(self, config: pytest.Config, in_shares: bool) -> None:
        self._config = config
        self.deselected = 0
        self.expected = 0
        self.interrupted = False
        self._in_shares = in_shares
        self._started, self._clock = datetime.now(UTC), time.perf_counter()
        self._parts: list[Part] = []
        self._nodes: set[str] = set()
        self._trials: dict[str, int] = {}
        self._dead: list[str] = []
        self._stopped = False

    def pytest_configure_node(self, node: WorkerController) -> None:
        node.workerinput["conform_in_shares"] = self._in_shares

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> InShares | None:
        return InShares(config, log) if self._in_shares else None

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        found = (match["trial"] for nodeid in ids if (match := _TRIAL.fullmatch(nodeid)))
        self._trials = {trial: index for index, trial in enumerate(found)}
        self.expected = len(self._trials)
        if self._trials:
            begin(self._config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._take(report.node.gateway.id, report.__dict__.pop("conform_part", None))

    def pytest_testnodedown(self, node: WorkerController, error: object) -> None:
        output = getattr(node, "workeroutput", None) or {}
        self._take(node.gateway.id, output.get("conform_part"))
        self.deselected = max(self.deselected, output.get("conform_deselected", 0))
        if error is not None:
            self._dead.append(node.gateway.id)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # xdist interrupts itself after -x or --maxfail, and a report is due then.
        self._stopped = str(excinfo.value).startswith("stopping after")
        self.interrupted = not self._stopped

    def _take(self, node: str, part: str | None) -> None:
        if part is not None:
            self._nodes.add(node)
            self._parts.append(Part(f"process {node}", parse(part, f"process {node}")))

    @property
    def done(self) -> int:
        """How many trials were judged."""
        return sum(len(part.report.trials) for part in self._parts)

    def report(self) -> Report | None:
        """The report of all processes, and what is missing in it; None where nothing was judged.

        Raises:
            ReportsDisagree: the processes have collected different cases.
        """
        if not self._parts:
            return None
        whole = merged(self._parts)
        trials = sorted(whole.trials, key=self._place)
        order = {trial.case: index for index, trial in reversed([*enumerate(trials)])}
        missing = list({*self._trials} - {_name(trial) for trial in trials})
        incidents = [*whole.incidents, *self._lost(len(missing))]
        return whole.model_copy(
            update={
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": time.perf_counter() - self._clock,
                "trials": trials,
                "cases": sorted(whole.cases, key=lambda case: order[case.name]),
                "environments": [
                    each.model_copy(update={"processes": len(self._nodes)})
                    for each in whole.environments
                ],
                "incidents": incidents,
                "stopped_early": self._stopped or bool(missing),
                "fails": whole.fails or bool(incidents),
            }
        )

    def _place(self, trial: TrialEntry) -> int:
        return self._trials.get(_name(trial), len(self._trials))

    def _lost(self, missing: int) -> Iterator[str]:
        if self._dead:
            yield (
                f"pytest's process {', '.join(self._dead)} died; {missing} of {self.expected} "
                "trials are in no report of a process"
            )


def _name(trial: TrialEntry) -> str:
    """A trial as the end of its item's id has it."""
    target = f"{trial.environment}/{trial.device}/{trial.mode}"
    return f"{trial.case}::{trial.implementation}[{target}]"
