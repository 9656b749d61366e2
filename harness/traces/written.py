"""A trace as a file, in the recorder's format."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness.comparison import APPLIED, REPORTED, group_of
from harness.errors import ReportUnwritable
from harness.traces.lr_recorder import entry, head
from harness.traces.trace import Trace


def write(trace: Trace, path: Path) -> None:
    """Write it; rates that stand still are one line.

    Raises:
        ReportUnwritable: with the reason.
    """
    about = {key: value for key, value in asdict(trace.header).items() if key != "source"}
    kinds = {
        kind: sorted((n for n in trace.sequences if n.split()[0] == kind), key=group_of)
        for kind in (REPORTED, APPLIED)
    }
    kinds = {kind: names for kind, names in kinds.items() if names}
    about["precision"] = {kind: trace.precision[names[0]] for kind, names in kinds.items()}
    about["source"] = trace.header.source
    table = np.column_stack([trace.sequences[name] for names in kinds.values() for name in names])
    new = np.ones(len(table), dtype=np.bool_)
    new[1:] = (np.diff(trace.steps) != 1) | (table[1:] != table[:-1]).any(axis=1)
    resumed = np.searchsorted(trace.steps, trace.resumed)
    new[resumed[resumed < len(table)]] = True
    begins = np.flatnonzero(new)
    ends = np.append(begins[1:], len(table)) - 1
    try:
        with path.open("wb") as file:
            file.write(head(about))
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
                if trace.steps[begin] in trace.resumed:
                    file.write(b'{"resume":%d}\n' % trace.steps[begin])
                rates = iter(table[begin].tolist())
                said = [(kind, [next(rates) for _ in names]) for kind, names in kinds.items()]
                file.write(entry(int(trace.steps[begin]), int(trace.steps[end]), said))
    except OSError as error:
        raise ReportUnwritable(f"cannot write the trace {path}: {error.strerror}") from None
