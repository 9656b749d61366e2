"""What a person sees in the terminal while a run goes on, and at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, ConsoleRenderable, RenderHook
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from harness.judgement import Judgement
from harness.listing import counted
from harness.output import neutral
from harness.plan import Trial
from harness.reproducer import explain_command
from harness.suite import Listener, Run
from harness.verdict import Verdict
from harness.workers import Environment

if TYPE_CHECKING:
    from harness.changed.running import Joint

STYLES = {
    Verdict.CONFORMS: "green",
    Verdict.KNOWN_DIVERGENCE: "yellow",
    Verdict.UNSUPPORTED: "dim",
    Verdict.UNAVAILABLE: "magenta",
}
PLAIN_EVERY, PLAIN_LINES = 100, 10
"""Where there is no terminal: trials between two lines of progress, and about how many lines."""


class _Neutral(RenderHook):
    """What cases and frameworks say is text to rich and the terminal, and nothing else."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """The same with neutral texts."""
        return [self._neutral(one) if isinstance(one, Text) else one for one in renderables]

    def _neutral(self, text: Text) -> Text:
        shown = neutral(text.plain)
        if shown != text.plain:
            text = text.copy()
            text.plain = shown
        return text


class PipeConsole(Console):
    """Standard output or error, on which what cases and frameworks say is neutral."""

    def __init__(self, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, highlight=False, **options)
        self.push_render_hook(_Neutral())


class WithBar(AbstractContextManager["WithBar"]):
    """A progress bar on standard error, where that is a terminal; what is found goes to `out`."""

    def __init__(self, out: Console, err: Console, what: str, total: int | None = None) -> None:
        self._out, self._err = out, err
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    @property
    def _found(self) -> Console:
        """Where to print what is found: above the bar, if that stands on the same terminal."""
        shares_terminal = self._err.is_terminal and self._out.is_terminal
        return self._bar.console if shares_terminal else self._out


class Progressing(WithBar):
    """A progress bar on a terminal, a line now and then in a pipe; each failure as it comes.

    Progress goes to standard error, failures to standard output.
    """

    def __init__(self, out: Console, err: Console) -> None:
        super().__init__(out, err, "starting the frameworks")
        self._done, self._total = 0, 0
        self._verdicts: Counter[Verdict] = Counter()

    @property
    def listener(self) -> Listener:
        """For `suite.run`."""
        return Listener(self._on_plan, self._on_judgement)

    @property
    def so_far(self) -> str:
        """`12 of 60 trials`, for a run that is interrupted."""
        return f"{self._done} of {self._total} trials"

    def _on_plan(self, trials: list[Trial]) -> None:
        self._total = len(trials)
        self._bar.update(self._task, total=self._total, description="running")
        if not self._err.is_terminal:
            self._err.print(counted(self._total, "trial"), highlight=False)

    def _on_judgement(self, judgement: Judgement) -> None:
        self._done += 1
        self._verdicts[judgement.verdict] += 1
        if judgement.verdict.fails:
            print_failure(self._found, judgement)
        every = PLAIN_EVERY * max(1, self._total // (PLAIN_EVERY * PLAIN_LINES))
        if not self._bar.disable:
            self._bar.update(self._task, completed=self._done)
        elif self._done % every == 0:
            self._err.print(f"{self.so_far}", highlight=False)


def print_failure(console: Console, judgement: Judgement) -> None:
    """The trial, where its case is, and what is wrong."""
    trial, observation = judgement.trial, judgement.observation
    text = Text()
    text.append(judgement.verdict.value, style="bold red")
    text.append(f"  {trial.id}\n")
    text.append(f"    {trial.case.file}:{trial.case.line}\n", style="dim")
    for reason in judgement.reasons:
        text.append("".join(f"    {line}\n" for line in reason.splitlines()))
    if judgement.why:
        text.append(f"    diagnosis: {judgement.why}\n", style="bold")
    for warning in getattr(observation, "warnings", ()):
        text.append(f"    warned {warning}\n", style="dim")
    for line in getattr(observation, "printed", "").splitlines()[-8:]:
        text.append(f"    | {line}\n", style="dim")
    text.append(f"    to see it: {explain_command(trial)}\n", style="dim")
    console.print(text, end="", soft_wrap=True)


def print_summary(console: Console, run: Run, report: str) -> None:
    """What ran where, the counts, and where the report is."""
    print_environments(console, run.environments, run.incidents)
    trials, cases = counted(len(run.judgements), "trial"), counted(len(run.cases), "case")
    text = Text(f"{trials} of {cases}: ").append_text(verdicts(run.count))
    print_end(console, text, run.seconds, run.stopped_early, report)


def print_joint(console: Console, joint: Joint, report: str) -> None:
    """The same of a run that took trials from the last report: what was run again, and why."""
    made, (first, *reasons) = joint.report, joint.lines
    print_environments(console, joint.environments, made.incidents)
    console.print(Text(first, style="bold"), soft_wrap=True)
    for reason in reasons:
        console.print(Text(f"    {reason}"), soft_wrap=True)
    trials, cases = counted(len(made.trials), "trial"), counted(len(made.cases), "case")
    counts = verdicts(lambda verdict: made.counts.get(verdict.value, 0))
    text = Text(f"{trials} of {cases}: ").append_text(counts)
    print_end(console, text, made.seconds, made.stopped_early, report)


def print_environments(
    console: Console, environments: Iterable[Environment], incidents: Iterable[str]
) -> None:
    """A line each; the incidents too."""
    for environment in environments:
        console.print(environment_line(environment), soft_wrap=True)
    for incident in incidents:
        console.print(Text(incident, style="bold red"), soft_wrap=True)


def print_end(console: Console, text: Text, seconds: float, stopped: bool, report: str) -> None:
    """The counts with the time that it took, and where the report is."""
    text.append(f"  in {seconds:.1f} s")
    if stopped:
        text.append("  (stopped at the first failure)")
    console.print(text, soft_wrap=True)
    console.print(Text(f"report: {report}"), soft_wrap=True)


def verdicts(count: Callable[[Verdict], int]) -> Text:
    """How many trials have which verdict, the best first."""
    parts = [
        Text(f"{count(verdict)} {verdict.value}", style=STYLES.get(verdict, "bold red"))
        for verdict in Verdict
        if count(verdict)
    ]
    return Text(", ").join(parts)


def environment_line(environment: Environment) -> Text:
    """An environment in one line."""
    if environment.failure:
        what = "crashed" if environment.crashed else "unavailable"
        return Text.assemble(
            (f"{environment.name}: {what}", "bold magenta"),
            f", its trials were not run: {environment.failure.strip().splitlines()[-1]}",
        )
    numpy = environment.packages.get("numpy", "?")
    return Text(
        f"{environment.name} {environment.version} on {', '.join(environment.devices)}"
        f" (Python {environment.python}, numpy {numpy})"
    )
