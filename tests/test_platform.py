"""The elementary functions of this platform are as exact as the budgets take them to be."""

from __future__ import annotations

import ctypes
import ctypes.util
import math

import mpmath
import numpy as np
import pytest
from helpers.draws import draws

from harness.budget import COS_ULP, POW_ULP, POW_ULP_FLOAT32


def drawn(count):
    rng = np.random.default_rng(7)
    return rng.uniform(0.01, 1.2, count), rng.uniform(0, 150, count)


def worst_ulp(function, dtype):
    """The greatest distance from the exact power, in units in its last place."""
    worst, count = 0.0, draws(1_000)
    for base, power in zip(*drawn(count), strict=True):
        x, y = dtype(base), dtype(power)
        with mpmath.workdps(50):
            exact = mpmath.mpf(float(x)) ** mpmath.mpf(float(y))
            if not float(np.finfo(dtype).tiny) < exact < float(np.finfo(dtype).max):
                continue
            unit = mpmath.mpf(float(np.spacing(dtype(float(exact)))))
            worst = max(worst, float(abs(mpmath.mpf(float(function(x, y))) - exact) / unit))
    return worst


def c_powf():
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.powf.restype = ctypes.c_float
    library.powf.argtypes = [ctypes.c_float, ctypes.c_float]
    return library.powf


@pytest.mark.parametrize(
    ("function", "dtype", "allowed"),
    [
        (math.pow, np.float64, 0.6),
        (np.power, np.float64, POW_ULP),
        (c_powf(), np.float32, 0.9),
        (np.power, np.float32, POW_ULP_FLOAT32),
    ],
    ids=["C pow", "numpy float64", "C powf", "numpy float32"],
)
def test_pow_is_as_exact_as_the_budget_takes_it_to_be(function, dtype, allowed):
    assert worst_ulp(function, dtype) <= allowed


def c_library(name):
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.restype = ctypes.c_float
    function.argtypes = [ctypes.c_float]
    return function


@pytest.mark.parametrize(
    ("function", "definition", "dtype", "allowed"),
    [
        (math.cos, mpmath.cos, np.float64, 0.6),
        (math.sin, mpmath.sin, np.float64, 0.6),
        (np.cos, mpmath.cos, np.float64, COS_ULP),
        (np.sin, mpmath.sin, np.float64, COS_ULP),
        (c_library("cosf"), mpmath.cos, np.float32, 0.6),
        (c_library("sinf"), mpmath.sin, np.float32, 0.6),
        (np.cos, mpmath.cos, np.float32, COS_ULP),
        (np.sin, mpmath.sin, np.float32, COS_ULP),
    ],
)
def test_cosines_and_sines_are_as_exact_as_the_budget_takes_them_to_be(
    function, definition, dtype, allowed
):
    # The angles that schedules take: up to a turn and a half quarter.
    for angle in np.random.default_rng(1).uniform(0, 1.5 * math.pi, draws(667)).astype(dtype):
        with mpmath.workdps(50):
            exact = definition(mpmath.mpf(float(angle)))
            unit = mpmath.mpf(float(np.spacing(dtype(abs(float(exact))))))
            off = abs(mpmath.mpf(float(function(angle))) - exact) / unit
        assert off <= allowed
