"""The suite as pytest items: a file, a case, and a trial for each implementation and target.

`pytest cases/exponential/steps.yaml::NAME` runs one case, and `pytest -p harness.pytest_plugin
FOLDER` runs cases that lie elsewhere. A known divergence is an expected
failure, and what cannot run here is skipped with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness import report
from harness.case import Case, KnownDivergence
from harness.console import environment_line, print_failure
from harness.errors import ConformError, InvalidCases
from harness.judge import Judge
from harness.judgement import Judgement
from harness.load import load
from harness.plan import TIME_LIMIT, Environment, Selection, Trial, plan
from harness.project import RECORDS, REPORTS, ROOT, own_records
from harness.report.model import from_run
from harness.suite import Run, judgements
from harness.verdict import Verdict
from harness.workers import Workers, default_environments


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conform", "conformance of learning-rate schedules")
    group.addoption("--implementation", action="append", default=[], help="only this API (glob)")
    group.addoption("--target", action="append", default=[], help="only this target (glob)")
    group.addoption("--full", action="store_true", help="in every execution mode")
    group.addoption("--report", type=Path, help="folder for the report [reports/latest]")
    group.addoption(
        "--time-limit", type=float, default=TIME_LIMIT, help="seconds that one trial may take"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    is_case_file = file_path.suffix in {".yaml", ".yml"} and not file_path.is_relative_to(
        ROOT / "tests"
    )
    if not is_case_file:
        return None
    collected: pytest.Collector = CaseFileNode.from_parent(parent, path=file_path)
    return collected


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    session = config.stash.get(_SESSION, None)
    return [environment_line(e).plain for e in session.environments] if session else []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    conform = session.config.stash.get(_SESSION, None)
    if conform is not None:
        conform.finish(session, interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    conform = config.stash.get(_SESSION, None)
    said = conform.said if conform is not None else ""
    if config.getoption("numprocesses", None):
        said = "with -n the trials are spread over processes, and no report is written"
    if said:
        terminalreporter.write_line(f"conform: {said}")


class _Session:
    """The workers that all items share, and what was judged with them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._workers = Workers(default_environments(), config.getoption("time_limit")).__enter__()
        self._started, self._clock = datetime.now(UTC), time.perf_counter()
        self.environments: list[Environment] = self._workers.environments()
        self.selection = Selection(
            implementations=tuple(config.getoption("implementation")),
            targets=tuple(config.getoption("target")),
            keyword=config.option.keyword,
        )
        versions = {e.name: e.version for e in self.environments}
        self._records = list(own_records())
        self._judge = Judge(self._records, versions)
        self._judged: dict[str, Judgement] = {}
        self._under_way: Iterator[Judgement] = iter(())
        self._begun = False
        self.said = ""

    def add_records(self, records: Iterable[KnownDivergence]) -> None:
        """Known divergences that stand in a file beside its cases."""
        self._records += records

    def trials(self, case: Case) -> list[Trial]:
        """The trials of `case` that --implementation and --target leave; pytest does -k."""
        wanted = Selection(
            implementations=self.selection.implementations, targets=self.selection.targets
        )
        return [trial for trial in self._plan(case) if wanted.wants(trial)]

    def _plan(self, case: Case) -> list[Trial]:
        return plan([case], self.environments, self._config.getoption("full"))

    def judgement(self, item: TrialItem) -> Judgement:
        """The judgement on one item; the frameworks are ahead with those that come later."""
        if not self._begun:
            self._begun = True
            # Under xdist another process may be given any of them, so each goes when it is due.
            together = [] if _is_xdist_worker(self._config) else item.session.items
            trials = [other.trial for other in together if isinstance(other, TrialItem)]
            self._under_way = judgements(self._judge, trials, self._workers)
        while item.trial.id not in self._judged:
            judged = next(self._under_way, None)
            if judged is None:
                judged = next(judgements(self._judge, [item.trial], self._workers))
            self._judged[judged.trial.id] = judged
        return self._judged[item.trial.id]

    def finish(self, session: pytest.Session, interrupted: bool) -> None:
        """End the workers, and write the report of a run that came to its end."""
        self._workers.__exit__(None, None, None)
        items = [item for item in session.items if isinstance(item, TrialItem)]
        done = tuple(i.judged for i in items if i.judged is not None)
        if _is_xdist_worker(self._config) or not done:
            return
        folder = self._config.getoption("report") or REPORTS / "latest"
        if interrupted:
            self.said = (
                f"interrupted after {len(done)} of {len(items)} trials; {folder} is left as it was"
            )
            return
        run = Run(
            started=self._started,
            seconds=time.perf_counter() - self._clock,
            environments=tuple(self.environments),
            selection=self.selection,
            judgements=done,
            records=tuple(self._records),
            stopped_early=len(done) < len(items),
            full=self._config.getoption("full"),
            processes=self._workers.processes,
            incidents=tuple(self._workers.incidents),
        )
        try:
            report.write(from_run(run), folder)
        except ConformError as error:
            self.said = str(error)
        else:
            self.said = f"report: {folder / 'index.html'}"


_SESSION = pytest.StashKey[_Session]()


def _session(config: pytest.Config) -> _Session:
    if _SESSION not in config.stash:
        config.stash[_SESSION] = _Session(config)
    return config.stash[_SESSION]


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
            _session(self.config).add_records(loaded.known_divergences)
        for case in loaded.cases:
            node: CaseNode = CaseNode.from_parent(self, name=case.name, case=case)
            yield node


class CaseNode(pytest.Collector):
    """A case."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def collect(self) -> Iterator[pytest.Item]:
        for trial in _session(self.config).trials(self.case):
            name = f"{trial.implementation.api}[{trial.target}]"
            item: TrialItem = TrialItem.from_parent(self, name=name, trial=trial)
            yield item


class TrialItem(pytest.Item):
    """A trial."""

    def __init__(self, *, trial: Trial, **rest: Any) -> None:
        super().__init__(**rest)
        self.trial = trial
        self.judged: Judgement | None = None

    def runtest(self) -> None:
        self.judged = _session(self.config).judgement(self)
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
        console = Console(no_color=True, width=100, file=None, highlight=False)
        with console.capture() as capture:
            print_failure(console, judgement)
        super().__init__(capture.get())
