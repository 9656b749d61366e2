"""The errors of a recursion, gone through in parts, are those of going from link to link."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.budget import _along


def one_by_one(grown, added, error):
    errors = [error]
    for factor, more in zip(grown.tolist(), added.tolist(), strict=True):
        errors.append(factor * errors[-1] + more)
    return np.array(errors)


@pytest.mark.parametrize("links", [0, 1, 255, 256, 257, 1000, 1023, 4097])
@pytest.mark.parametrize("first", [0.0, 1e-9])
def test_many_links_give_what_one_after_another_gives(links, first):
    random = np.random.default_rng(links)
    grown = random.choice([0.0, 0.5, 0.999, 1.0, 1.001, 1.5], links)
    added = random.choice([0.0, 1e-17, 3e-9], links)
    np.testing.assert_allclose(
        _along(grown, added, first), one_by_one(grown, added, first), rtol=1e-12, atol=0
    )


def test_an_error_of_nothing_stays_nothing_though_what_it_would_grow_by_is_beyond_the_range():
    grown, added = np.full(1000, 1e200), np.zeros(1000)
    with np.errstate(over="ignore", invalid="ignore"):
        assert _along(grown, added, 0.0).tolist() == [0.0] * 1001
        assert math.isinf(_along(grown, added, 1e-300)[-1])


def test_what_is_not_known_is_not_known_from_then_on():
    added = np.zeros(1000)
    added[500] = np.inf
    found = _along(np.full(1000, 0.5), added, 1.0)
    assert np.isfinite(found[:501]).all()
    assert np.isinf(found[501:]).all()
