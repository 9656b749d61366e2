"""The course of a trace between its steps."""

from __future__ import annotations

from math import comb

import numpy as np

from harness.reference.arithmetic import Float64
from harness.traces.course import Course

POINTS = 8
"""Neighbours that a rate between steps is interpolated from."""


def interpolated(
    course: Course, times: Float64, begin: int, end: int, unit: int = 1
) -> tuple[Float64, Float64] | None:
    """Rates at times between `begin` and `end`, and how uncertain they are; shape as `times`.

    By the polynomial through the nearest entries, `unit` steps apart (Berrut and Trefethen 2004).
    It knows nothing of what lies beyond begin and end, where a schedule may have a kink. The
    uncertainty is the distance to the polynomial through two points fewer. NaN beyond; None where
    there are too few entries.
    """
    nodes = np.arange(begin, end + 1, unit)
    rates = course.at(nodes)
    if len(nodes) < POINTS or np.isnan(rates).any():
        return None
    places = (times - begin) / unit
    fine, coarse = (_polynomial(rates, places, points) for points in (POINTS, POINTS - 2))
    beyond = (places < 0) | (places > len(nodes) - 1 + 1e-9)
    return np.where(beyond, np.nan, fine), np.where(beyond, 0.0, 2 * np.abs(fine - coarse))


def _polynomial(rates: Float64, places: Float64, points: int) -> Float64:
    start = np.clip(np.floor(places).astype(np.int64) - points // 2 + 1, 0, len(rates) - points)
    above, below = np.zeros(len(places)), np.zeros(len(places))
    exact = np.full(len(places), np.nan)
    for i in range(points):
        apart = places - (start + i)
        rate = rates[start + i]
        exact = np.where(np.abs(apart) < 1e-9, rate, exact)
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = (-1) ** i * comb(points - 1, i) / apart
        above += np.nan_to_num(weight * rate, posinf=0, neginf=0)
        below += np.nan_to_num(weight, posinf=0, neginf=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isnan(exact), above / below, exact)
