"""`conform run --shard`: parts of the cases, whole and even, the same on every machine."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from gating import conform
from making import schedule_case, surface_case

from harness.errors import NothingSelected
from harness.load import load
from harness.plan import Selection
from harness.project import CASES

CASES_OF_SIX = [schedule_case(name=name) for name in ("e", "b", "f", "a", "d", "c")]


def names(cases):
    return [case.name for case in cases]


def shares(cases, count):
    return [Selection(shard=f"{i}/{count}").share(cases) for i in range(1, count + 1)]


def test_every_case_is_in_one_shard_in_its_order():
    assert [names(share) for share in shares(CASES_OF_SIX, 4)] == [
        ["e", "a"],
        ["b", "f"],
        ["c"],
        ["d"],
    ]


def test_without_a_shard_it_is_all_of_them():
    assert Selection().share(CASES_OF_SIX) == tuple(CASES_OF_SIX)
    assert names(Selection(shard="1/1").share(CASES_OF_SIX)) == names(CASES_OF_SIX)


def test_the_order_in_which_files_were_read_makes_no_difference():
    shuffled = random.Random(1).sample(CASES_OF_SIX, 6)
    for one, other in zip(shares(CASES_OF_SIX, 3), shares(shuffled, 3), strict=True):
        assert sorted(names(one)) == sorted(names(other))


def test_the_suites_own_cases_and_each_family_of_them_are_shared_out_evenly():
    cases = load([CASES]).cases
    parts = shares(cases, 4)
    assert sorted(name for part in parts for name in names(part)) == sorted(names(cases))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    families = [Counter(getattr(case, "family", "surface") for case in part) for part in parts]
    for family in families[0]:
        counts = [part[family] for part in families]
        assert max(counts) - min(counts) <= 0.25 * sum(counts) + 4


def test_a_shard_of_no_case_says_so():
    with pytest.raises(NothingSelected, match="no case is left for shard 2/2 of 1 cases"):
        Selection(shard="2/2").share([surface_case({"lacks": ["verbose"]})])


def test_a_shard_is_not_everything():
    assert not Selection(shard="1/2").is_everything


@pytest.mark.parametrize(
    "shard", ["0/4", "5/4", "1", "1/", "/4", "a/b", "-1/4", "1/4/2", "1.5/4", "1/0", "١/4", "1/4\n"]
)
def test_what_is_no_shard_is_refused(shard):
    done = conform("run", "--shard", shard)
    assert done.exit_code == 2
    assert "is not like 1/4, the first of four parts" in done.stderr
