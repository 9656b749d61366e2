"""Digests of what the reference works out, in this process or, as a program, in one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import numpy as np

from harness.case import ScheduleCase
from harness.reference import Cosine, Exponential
from harness.reference.double_double import DoubleDouble
from harness.reference.elementary import cos_of_quarters, log, scaled_exp
from helpers.suite import suite


def digest(*sequences: np.ndarray) -> str:
    """Of the bytes; every NaN is the same."""
    plain = (np.where(np.isnan(values), np.nan, values).tobytes() for values in sequences)
    return sha256(b"".join(plain)).hexdigest()


def digests() -> Iterator[str]:
    """A line for each case of the suite, and some for longer sequences."""
    for case in suite().cases:
        if isinstance(case, ScheduleCase):
            groups = range(len(case.schedules))
            due = digest(*(case.reference_of(group) for group in groups))
            yield f"{case.name} {due} {digest(*(case.remainder_of(group) for group in groups))}"
    x = DoubleDouble(np.arange(1, 20001)) / 1234.5
    for made in (log(x), scaled_exp(0.3, x - 8.0), cos_of_quarters(x)):
        yield digest(made.hi, made.lo)
    steps = np.arange(20000)
    yield digest(Cosine(base_lr=0.3, T_max=17777).rates(steps, 1))
    yield digest(Exponential(base_lr=0.3, decay_rate=0.7, decay_steps=777).rates(steps, 1))


if __name__ == "__main__":
    print(*digests(), sep="\n")
