"""`conform run --shard`: parts of the cases, whole and even, the same on every machine."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from helpers.gating import conform, folder, judgement, report
from helpers.making import schedule_case, surface_case
from helpers.suite import suite

from harness import durations
from harness.durations import Durations
from harness.errors import DurationsUnusable, NothingSelected
from harness.plan import Selection
from harness.project import ROOT

KEPT = ROOT / "reports" / durations.NAME

CASES_OF_SIX = [schedule_case(name=name) for name in ("e", "b", "f", "a", "d", "c")]


def names(cases):
    return [case.name for case in cases]


def shares(cases, count, kept=None):
    return [Selection(shard=f"{i}/{count}").share(cases, kept) for i in range(1, count + 1)]


def spread(parts, cost):
    """How much more the costliest part costs than the cheapest, as a part of its own cost."""
    loads = [sum(cost(case.name) for case in part) for part in parts]
    return (max(loads) - min(loads)) / max(loads)


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
    cases = suite().cases
    parts = shares(cases, 4)
    assert sorted(name for part in parts for name in names(part)) == sorted(names(cases))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    families = [Counter(getattr(case, "family", "surface") for case in part) for part in parts]
    for family in families[0]:
        counts = [part[family] for part in families]
        assert max(counts) - min(counts) <= 0.25 * sum(counts) + 4


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 100])
def test_by_their_recorded_durations_every_case_is_in_one_of_any_number_of_shards(count):
    cases, kept = suite().cases, durations.read(KEPT)
    parts = shares(cases, count, kept)
    assert sorted(name for part in parts for name in names(part)) == sorted(names(cases))
    assert all(parts)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_by_their_recorded_durations_shards_take_as_long(count):
    cases, kept = suite().cases, durations.read(KEPT)
    by_durations = spread(shares(cases, count, kept), kept.cost)
    assert by_durations < 0.05
    assert spread(shares(cases, count), kept.cost) > by_durations


def test_the_costliest_go_first_and_neighbours_of_the_same_cost_in_their_order():
    kept = Durations({"e": 4, "f": 3})
    # e 4 and f 3; a makes it 4 and 4, b 5 and 4, c 5 and 5, d 6 and 5.
    assert [names(part) for part in shares(CASES_OF_SIX, 2, kept)] == [
        ["e", "b", "d"],
        ["f", "a", "c"],
    ]


def timed(**seconds):
    made = [judgement(name=name) for name in seconds]
    entries = report(*made)
    trials = [trial.model_copy(update={"seconds": seconds[trial.case]}) for trial in entries.trials]
    return entries.model_copy(update={"trials": trials})


def test_a_cost_is_a_part_of_the_whole_roughly():
    kept = durations.durations_of(timed(long=7.0, short=2.9, tiny=0.0001))
    # 7,071 of 10,000 is nearest to 2 ** 13, and 2,929 to 2 ** 11.5.
    assert kept == Durations({"long": 8192, "short": 2896})
    assert (kept.cost("tiny"), kept.cost("never seen")) == (1, 1)


def test_a_cost_stays_unless_it_is_half_or_double():
    before = Durations({"a": 4096, "b": 4096, "gone": 5})
    assert durations.durations_of(timed(a=6.0, b=4.0), before) == Durations({"a": 4096, "b": 4096})
    after = durations.durations_of(timed(a=9.0, b=1.0), before)
    assert after == Durations({"a": 8192, "b": 1024})
    assert durations.durations_of(timed(a=9.0, b=1.0), after) == after


def test_a_baseline_has_the_durations_beside_it_and_twice_the_same(tmp_path):
    update = ("baseline", "update", "--baseline", tmp_path / "baseline.json")
    made = folder(tmp_path / "latest", timed(halves=1.0, others=3.0))
    assert conform(*update, made).exit_code == 0
    text = (tmp_path / durations.NAME).read_text()
    assert json.loads(text)["costs"] == {"halves": 2896, "others": 8192}
    assert text.splitlines()[3:5] == ['"halves": 2896,', '"others": 8192']
    assert conform(*update, made).exit_code == 0
    assert (tmp_path / durations.NAME).read_text() == text


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "costs": {"a": 0}}', "\xff"]
)
def test_damaged_durations_are_said_with_their_remedy(content, tmp_path):
    path = tmp_path / durations.NAME
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DurationsUnusable, match="to make it anew: remove it"):
        durations.read(path)


def test_where_there_are_none_every_case_costs_the_same(tmp_path):
    assert durations.read(tmp_path / durations.NAME) == Durations()


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
