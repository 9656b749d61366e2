"""Traces in TensorBoard's event files, read by the tensorboard package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from harness.catalogue import Precision
from harness.comparison import APPLIED, REPORTED
from harness.errors import TraceUnreadable, did_you_mean
from harness.traces.gathered import Block, made, sequence_name
from harness.traces.layout import whole
from harness.traces.trace import Header, Trace

_RATE = re.compile(r"(?:^|[^a-z])(?:lr|learning[ _-]?rate)(?![a-z])", re.IGNORECASE)
_GROUP = re.compile(r"(.*?)(?:[/_ -]?(?:pg|group)?[/_ -]?(\d+))?")
SHOWN = 12


def is_event_file(path: Path) -> bool:
    """Whether it is one, or a folder that has some."""
    if path.is_dir():
        return any(path.glob("*tfevents*"))
    return "tfevents" in path.name


def read(source: str, path: Path, columns: Sequence[str] = ()) -> Trace:
    """The trace of the scalars that hold rates, by their tags.

    Raises:
        TraceUnreadable: the tensorboard package is not there, or no tag is known to hold a rate.
    """
    if find_spec("tensorboard") is None:
        raise TraceUnreadable(
            f"{source}: event files are read by the tensorboard package, which is not installed: "
            "pip install 'lr-schedule-conformance[tensorboard]'"
        )
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415
        SCALARS,
        TENSORS,
        EventAccumulator,
    )

    events = EventAccumulator(
        str(path), size_guidance={SCALARS: 0, TENSORS: 0}, purge_orphaned_data=False
    )
    try:
        events.Reload()
    except Exception as error:
        raise TraceUnreadable(f"{source}: no event file that can be read: {error}") from None
    tags = {
        **dict.fromkeys(events.Tags()["tensors"], events.Tensors),
        **dict.fromkeys(events.Tags()["scalars"], events.Scalars),
    }
    blocks = []
    for name, tag in _sequences(source, list(tags), columns).items():
        entries = tags[tag](tag)
        try:
            steps = whole(np.array([entry.step for entry in entries], dtype=np.float64))
        except ValueError as error:
            raise TraceUnreadable(f"{source}: {tag}: {error}") from None
        values = np.array([_value(entry) for entry in entries], dtype=np.float64)
        blocks.append(Block(steps, steps, {name: values}))
    # A scalar is kept as a float32.
    precision = {REPORTED: Precision.FLOAT32, APPLIED: Precision.FLOAT32}
    return made(Header(source), precision, [*blocks], [])


def _sequences(source: str, tags: list[str], columns: Sequence[str]) -> dict[str, str]:
    """Sequence to tag: the one that was asked for, or those that are alike but for a number."""
    asked = next((name for name in columns if name in tags), None)
    if asked is not None:
        return {REPORTED: asked}
    if columns:
        raise TraceUnreadable(
            f"{source}: no tag is {columns[0]!r}{did_you_mean(columns[0], tags)}{_told(tags)}"
        )
    fitting = [tag for tag in tags if _RATE.search(tag)]
    groups: dict[str, dict[int, str]] = {}
    for tag in fitting:
        found = _GROUP.fullmatch(tag)
        stem, number = (found[1], found[2]) if found else (tag, None)
        groups.setdefault(stem, {})[int(number or 0)] = tag
    if len(groups) != 1:
        what = "several tags" if groups else "no tag"
        shown = _told(fitting or tags)
        raise TraceUnreadable(
            f"{source}: {what} may be the learning rate{shown}; name it with --column"
        )
    (alike,) = groups.values()
    least = min(alike)
    return {sequence_name(REPORTED, number - least): tag for number, tag in sorted(alike.items())}


def _told(tags: Iterable[str]) -> str:
    names = sorted(tags)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"; there are: {', '.join(names[:SHOWN])}{more}" if names else "; it has no scalars"


def _value(entry: Any) -> float:
    if hasattr(entry, "value"):
        return float(entry.value)
    from tensorboard.util.tensor_util import make_ndarray  # noqa: PLC0415

    return float(make_ndarray(entry.tensor_proto).reshape(-1)[0])
