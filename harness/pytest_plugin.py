"""The suite as pytest items: a file, a case, and a trial for each implementation and target.

`pytest cases/exponential/steps.yaml::NAME` runs one case, and `pytest -p harness.pytest_plugin
FOLDER` runs cases that lie elsewhere. A known divergence is an expected
failure, and what cannot run here is skipped with its reason. With pytest-xdist, see
`harness.pytest_xdist`.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import attempt, report
from harness.case import Case, KnownDivergence
from harness.case_files import ENDINGS, files_below
from harness.console import PipeConsole, environment_line, print_failure
from harness.environments import specs_of
from harness.errors import ConformError, InvalidCases, Problem
from harness.judge import Judge
from harness.judgement import Judgement
from harness.limits import TIME_LIMIT
from harness.load import load
from harness.plan import Selection, Trial, plan
from harness.project import CASES, RECORDS, REPORTS, ROOT, own_records
from harness.report.model import Report, from_run
from harness.reproducer import written
from harness.suite import Run, judgements
from harness.verdict import Verdict
from harness.workers import Environment, Workers

if TYPE_CHECKING:
    from harness.pytest_xdist import Controller

A_SHARE = 100
"""Trials that an xdist worker is given at a time, about, and sends back judged."""
SHARES_EACH = 4
"""Shares that there are for each xdist worker, at least, so that all are done at about one time."""


def shares(nodeids: Iterable[str], processes: int) -> dict[str, int]:
    """The number of the share that each trial is in: whole cases, in their order.

    A framework switches between execution modes at a cost, so a process that went from case to
    case would spend its time on that.

    >>> shares(["a.yaml::one::x", "a.yaml::one::y", "a.yaml::two::x"], processes=1)
    {'a.yaml::one::x': 0, 'a.yaml::one::y': 0, 'a.yaml::two::x': 1}
    """
    nodeids = list(nodeids)
    size = min(A_SHARE, len(nodeids) // (SHARES_EACH * processes))
    share = taken = 0
    found: dict[str, int] = {}
    for _, case in groupby(nodeids, key=lambda nodeid: nodeid.rpartition("::")[0]):
        trials = list(case)
        if taken and taken + len(trials) > size:
            share, taken = share + 1, 0
        found.update(dict.fromkeys(trials, share))
        taken += len(trials)
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conform", "conformance of learning-rate schedules")
    group.addoption("--implementation", action="append", default=[], help="only this API (glob)")
    group.addoption("--target", action="append", default=[], help="only this target (glob)")
    group.addoption("--device", action="append", default=[], help="only this device (glob)")
    group.addoption(
        "--environment",
        action="append",
        default=[],
        help="in this environment (glob) of environments.yaml, torch or mindspore [those two]",
    )
    group.addoption("--environments", type=Path, help="the file that declares environments")
    group.addoption("--full", action="store_true", help="in every execution mode")
    group.addoption("--report", type=Path, help="folder for the report [reports/latest]")
    group.addoption(
        "--time-limit", type=float, default=TIME_LIMIT, help="seconds that one trial may take"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """End where something may be meant as cases, and pytest would pass over it."""
    if _is_xdist_worker(session.config):
        return
    problems: list[Problem] = []
    for path in _places_of_cases(session.config):
        deque(files_below([path], problems), maxlen=0)
    if problems:
        pytest.exit(f"conform:\n{InvalidCases(problems)}", returncode=InvalidCases.exit_code)


def _places_of_cases(config: pytest.Config) -> Iterator[Path]:
    """The files that are asked for, and of the folders those that have cases and no Python."""
    for name in config.args:
        path = config.invocation_params.dir / name.partition("::")[0]
        if not os.path.lexists(path) or path.is_relative_to(ROOT / "tests"):
            continue
        if not path.is_dir() or next(path.rglob("*.py"), None) is None:
            yield path
        elif CASES.resolve().is_relative_to(path.resolve()):
            yield CASES


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not file_path.name.endswith(ENDINGS) or file_path.is_relative_to(ROOT / "tests"):
        return None
    # A file that several links lead to is one.
    first = parent.config.stash.setdefault(_FIRST, {}).setdefault(file_path.resolve(), file_path)
    if first != file_path:
        return None
    collected: pytest.Collector = CaseFileNode.from_parent(parent, path=file_path)
    return collected


def pytest_configure(config: pytest.Config) -> None:
    shares_out = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    if shares_out and not _is_xdist_worker(config) and not config.option.collectonly:
        from harness.pytest_xdist import Controller  # noqa: PLC0415 (xdist may not be there)

        # xdist itself writes "load" into the options where -n alone was given.
        controller = Controller(config, in_shares=config.known_args_namespace.dist == "no")
        config.stash[_CONTROLLER] = controller
        config.pluginmanager.register(controller, "conform-controller")


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, TrialItem):
            item.config.stash[_DESELECTED] = item.config.stash.get(_DESELECTED, 0) + 1


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    session = config.stash.get(_SESSION, None)
    return [environment_line(e).plain for e in session.environments] if session else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    session = item.config.stash.get(_SESSION, None)
    if session is None or not _is_xdist_worker(item.config):
        return report
    if call.when == "teardown" and session.is_through_a_share:
        report.__dict__["conform_part"] = session.part()
    return report


def pytest_runtestloop(session: pytest.Session) -> None:
    if any(isinstance(item, TrialItem) for item in session.items):
        begin(session.config)


def begin(config: pytest.Config) -> None:
    """Note that a run was begun, once; where that cannot be written, nor can its report."""
    if _is_xdist_worker(config) or config.option.collectonly or _ATTEMPT in config.stash:
        return
    with suppress(ConformError):
        config.stash[_ATTEMPT] = attempt.begin(_folder(config))


def _folder(config: pytest.Config) -> Path:
    return config.getoption("report") or REPORTS / "latest"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    conform = session.config.stash.get(_SESSION, None)
    if conform is not None:
        conform.close()
    if _is_xdist_worker(session.config):
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output["conform_part"] = conform and conform.part()
        output["conform_deselected"] = session.config.stash.get(_DESELECTED, 0)
        return
    controller = session.config.stash.get(_CONTROLLER, None)
    source = controller or conform
    if source is None or not source.done:
        return
    folder = _folder(session.config)
    interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    if controller.interrupted if controller is not None else interrupted:
        session.config.stash[_SAID] = (
            f"interrupted after {source.done} of {source.expected} trials; "
            f"the report in {folder} is left as it was"
        )
        return
    try:
        made = source.report()
        assert made is not None
        left_out = _left_out(session.config, controller)
        begun = session.config.stash.get(_ATTEMPT, None) or attempt.begin(folder)
        report.write(begun.signed(made, selection=left_out), folder)
        begun.finish()
    except ConformError as error:
        session.config.stash[_SAID] = f"no report was written: {error}"
    else:
        if made.incidents and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        said = [*made.incidents, f"report: {folder / 'index.html'}"]
        session.config.stash[_SAID] = "\nconform: ".join(said)


def _asked_for(config: pytest.Config) -> Selection:
    """The selection that is ours to make; `-k` is pytest's."""
    return Selection(
        implementations=tuple(config.getoption("implementation")),
        targets=tuple(config.getoption("target")),
        devices=tuple(config.getoption("device")),
    )


def _left_out(config: pytest.Config, controller: Controller | None) -> dict[str, Any]:
    """What the user's options and arguments have left out of the report."""
    selection = replace(_asked_for(config), keyword=config.option.keyword)
    named = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    parts = [name for name in named if "::" in name or _is_part(Path(name))]
    count = controller.deselected if controller else config.stash.get(_DESELECTED, 0)
    more = {
        "paths": parts,
        "last_failed": "--lf" if config.getoption("lf", False) else "",
        "deselected": f"{count} trials" if count else "",
    }
    return {key: value for key, value in {**vars(selection), **more}.items() if value}


def _is_part(path: Path) -> bool:
    """Whether this is a part of the suite's own cases."""
    own = CASES.resolve()
    return path.resolve() != own and path.resolve().is_relative_to(own)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    said = config.stash.get(_SAID, "")
    if said:
        terminalreporter.write_line(f"conform: {said}")


class _Session:
    """The workers that all items share, and what was judged with them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        specs = specs_of(config.getoption("environment"), config.getoption("environments"))
        if _is_xdist_worker(config):  # the cores are shared out already
            specs = [replace(spec, processes=1) for spec in specs]
        self._workers = Workers(specs, config.getoption("time_limit")).__enter__()
        self._started, self._clock = datetime.now(UTC), time.perf_counter()
        self.environments: list[Environment] = self._workers.environments()
        self._selection = _asked_for(config)
        try:
            self._selection.check_devices(self.environments)
        except ConformError:
            self.close()
            raise
        versions = {e.name: e.version for e in self.environments}
        self._records = list(own_records())
        self._judge = Judge(self._records, versions)
        self._judged: dict[str, Judgement] = {}
        self._under_way: Iterator[Judgement] = iter(())
        self._items: list[TrialItem] = []
        self._shares: dict[int, list[TrialItem]] = defaultdict(list)
        self._share_of: dict[str, int] = {}
        self._unsent: list[TrialItem] = []

    def add_records(self, records: Iterable[KnownDivergence]) -> None:
        """Known divergences that stand in a file beside its cases."""
        self._records += records

    def trials(self, case: Case) -> list[Trial]:
        """The trials of `case` that the options leave; pytest does -k."""
        planned = plan([case], self.environments, self._config.getoption("full"))
        return [trial for trial in planned if self._selection.wants(trial)]

    def judgement(self, item: TrialItem) -> Judgement:
        """The judgement on one item; the frameworks are ahead with those that come later."""
        if not self._items:
            self._items = [other for other in item.session.items if isinstance(other, TrialItem)]
            if _is_xdist_worker(self._config):
                self._share_out()
            else:
                self._begin(self._items)
        if item.trial.id not in self._judged and _is_xdist_worker(self._config):
            self._begin(self._shares[self._share_of[item.nodeid]])
        while item.trial.id not in self._judged:
            judged = next(self._under_way, None)
            if judged is None:
                judged = next(judgements(self._judge, [item.trial], self._workers))
            self._judged[judged.trial.id] = judged
        self._unsent.append(item)
        return self._judged[item.trial.id]

    def _share_out(self) -> None:
        """Find out which items an xdist worker is given together: each by itself, if not by us."""
        given: dict[str, Any] = self._config.workerinput  # type: ignore[attr-defined]
        nodeids = [item.nodeid for item in self._items]
        self._share_of = (
            shares(nodeids, given["workercount"])
            if given["conform_in_shares"]
            else {nodeid: number for number, nodeid in enumerate(nodeids)}
        )
        for item in self._items:
            self._shares[self._share_of[item.nodeid]].append(item)

    def _begin(self, items: list[TrialItem]) -> None:
        self._under_way = judgements(self._judge, [i.trial for i in items], self._workers)

    @property
    def is_through_a_share(self) -> bool:
        """Whether an xdist worker has judged all that it was given together, and not sent it."""
        if not self._unsent:
            return False
        share = self._shares[self._share_of[self._unsent[-1].nodeid]]
        return all(item.judged is not None for item in share)

    def part(self) -> str | None:
        """A report on what was judged since the last one, as JSON; None if that is nothing."""
        done = tuple(item.judged for item in self._unsent if item.judged is not None)
        self._unsent = []
        return self._report(done).model_dump_json() if done else None

    @property
    def done(self) -> int:
        """How many items were judged."""
        return sum(item.judged is not None for item in self._items)

    @property
    def expected(self) -> int:
        """How many items there are."""
        return len(self._items)

    def report(self) -> Report:
        """The report on all that was judged."""
        return self._report(tuple(i.judged for i in self._items if i.judged is not None))

    def _report(self, done: tuple[Judgement, ...]) -> Report:
        return from_run(
            Run(
                started=self._started,
                seconds=time.perf_counter() - self._clock,
                environments=tuple(self.environments),
                selection=self._selection,
                judgements=done,
                records=tuple(self._records),
                stopped_early=not _is_xdist_worker(self._config) and self.done < self.expected,
                full=self._config.getoption("full"),
                processes=self._workers.processes,
                incidents=tuple(self._workers.incidents),
            )
        )

    def close(self) -> None:
        """End the frameworks."""
        self._workers.__exit__(None, None, None)


_SESSION = pytest.StashKey[_Session]()
_CONTROLLER: pytest.StashKey[Controller] = pytest.StashKey()
_DESELECTED = pytest.StashKey[int]()
_SAID = pytest.StashKey[str]()
_ATTEMPT = pytest.StashKey[attempt.Attempt]()
_FIRST = pytest.StashKey[dict[Path, Path]]()
"""By what a path leads to, the first path that was collected."""
_UNUSABLE = pytest.StashKey[str]()
"""Why no case can be tried as it was asked for."""


def _session(node: pytest.Collector | pytest.Item) -> _Session:
    stash = node.config.stash
    if _SESSION not in stash and _UNUSABLE not in stash:
        try:
            stash[_SESSION] = _Session(node.config)
        except ConformError as error:
            stash[_UNUSABLE] = f"conform: {error}"
            if not _is_xdist_worker(node.config):  # which would be started anew
                node.session.shouldstop = stash[_UNUSABLE]
    if _UNUSABLE in stash:
        raise pytest.Collector.CollectError(stash[_UNUSABLE])
    return stash[_SESSION]


def _is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


class CaseFileNode(pytest.File):
    """A YAML file."""

    def collect(self) -> Iterator[pytest.Collector]:
        try:
            loaded = load([self.path])
        except InvalidCases as error:
            raise self.CollectError(str(error)) from None
        if loaded.known_divergences and not self.path.is_relative_to(RECORDS.resolve()):
            _session(self).add_records(loaded.known_divergences)
        for case in loaded.cases:
            node: CaseNode = CaseNode.from_parent(self, name=case.name, case=case)
            yield node


class CaseNode(pytest.Collector):
    """A case."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def collect(self) -> Iterator[pytest.Item]:
        for trial in _session(self).trials(self.case):
            name = f"{trial.implementation.api}[{trial.target}]"
            # As text, since pytest takes what stands in brackets for parameters when it reads an id
            # back for --lf, and not when it makes one of a name.
            nodeid = f"{self.nodeid}::{name}"
            item: TrialItem = TrialItem.from_parent(self, name=name, nodeid=nodeid, trial=trial)
            yield item


class TrialItem(pytest.Item):
    """A trial."""

    def __init__(self, *, trial: Trial, **rest: Any) -> None:
        super().__init__(**rest)
        self.trial = trial
        self.judged: Judgement | None = None

    def runtest(self) -> None:
        self.judged = _session(self).judgement(self)
        reasons = "; ".join(self.judged.reasons)
        if not self.judged.verdict.ran:
            pytest.skip(f"{self.judged.verdict.value}: {reasons}")
        if self.judged.verdict is Verdict.KNOWN_DIVERGENCE and self.judged.record:
            pytest.xfail(f"{self.judged.record.name}: {reasons}")
        if self.judged.verdict.fails:
            raise TrialFailed(self.judged)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any
    ) -> Any:
        if isinstance(excinfo.value, TrialFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return Path(self.trial.case.file), self.trial.case.line - 1, self.trial.id


class TrialFailed(Exception):
    """A trial whose verdict fails; its text is readable on its own."""

    def __init__(self, judgement: Judgement) -> None:
        console = PipeConsole(no_color=True, width=100)
        with console.capture() as capture:
            print_failure(console, judgement)
        header, place, rest = capture.get().split("\n", 2)
        call = [] if judgement.trial.call is None else [f"    call: {written(judgement.trial)}"]
        super().__init__("\n".join([header, place, *call, rest]))
