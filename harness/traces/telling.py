"""What a person sees of a comparison."""

from __future__ import annotations

from collections.abc import Iterator

from harness.diagnosis.model import UNEXPLAINED
from harness.listing import counted
from harness.traces.comparing import Compared, Comparison, PairVerdict
from harness.traces.trace import Trace

NUMBERS = ("first", "second")


def trace_lines(number: int, trace: Trace, said: str) -> Iterator[str]:
    """A trace, the first (0) or the second (1), and what was wrong with it."""
    yield f"{NUMBERS[number]}: {trace.header.source}, {said}"
    for problem in trace.problems:
        yield from (f"    {line}" for line in problem.splitlines())


def origin(trace: Trace) -> str:
    """`mindspore 2.10.0 on cpu, Momentum with ExponentialDecayLR`; empty if nothing is known."""
    header = trace.header
    parts = []
    if header.framework:
        version = f" {header.framework_version}" if header.framework_version else ""
        device = f" on {header.device}" if header.device else ""
        parts.append(f"{header.framework}{version}{device}")
    if header.optimizer or header.scheduler:
        parts.append(" with ".join(filter(None, (header.optimizer, header.scheduler))))
    return ", ".join(parts)


def extent(trace: Trace) -> str:
    """`35,100 steps, 0 to 35,099`."""
    steps = trace.steps
    return f"{counted(len(steps), 'step')}, {steps[0]:,} to {steps[-1]:,}"


def comparison_lines(traces: tuple[Trace, Trace], comparison: Comparison) -> Iterator[str]:
    """What came of it, the verdict at the end."""
    for sequence in comparison.sequences:
        yield compared(sequence)
    for name in comparison.missing:
        yield f"{name}: only in the {NUMBERS[name in traces[1].sequences]}"
    yield from comparison.notes
    if comparison.diagnosis is not None:
        yield f"diagnosis: {comparison.diagnosis.sentence}"
    elif comparison.verdict is PairVerdict.DIFFER:
        yield f"diagnosis: {UNEXPLAINED}"
    yield f"verdict: {comparison.verdict}"


def compared(sequence: Compared) -> str:
    """One sequence in a line."""
    what = f"{sequence.name}: {counted(sequence.compared, 'update')}"
    if sequence.first is not None:
        one, other, allowed = sequence.at(sequence.first)
        return (
            f"{what}, {sequence.diverging:,} differ, from update {sequence.first:,} on: "
            f"{one:.9g} and {other:.9g}, allowed {allowed:.3g}"
        )
    if sequence.hole is not None:
        step, length = sequence.hole
        what += f", a rate is missing at {counted(length, 'update')} from {step:,} on"
    if sequence.absolute is None or sequence.share is None:
        return what
    worst, share = sequence.absolute, sequence.share
    return (
        f"{what}, greatest error {worst.value:.3g} at update {worst.step:,}, "
        f"at most {100 * share.value:.2f} % of what is allowed"
    )
