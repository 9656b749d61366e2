"""Two scripts agree only if each update that was asked for was compared, and is alike."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.scripts import TORCH, late, torch_script

from harness.traces.comparing import PairVerdict
from harness.verification import Training, side, verify

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

CONSTANT = torch_script("return torch.optim.SGD(parameters(), lr=0.1)")


@pytest.fixture
def compared(script):
    """The comparison of two PyTorch scripts."""

    def run(one: str, other: str, steps=1000, time_limit=60.0, applied=True):
        sides = (side("torch", script(one, "one.py")), side("torch", script(other, "other.py")))
        return verify(sides, Training(steps, applied=applied), time_limit)

    return run


ENDS = {
    "raise": late("raise ValueError('no more')"),
    "exit": late("raise SystemExit(0)"),
    "die": late("import os; os._exit(0)"),
    "are killed": late("import os; os.kill(os.getpid(), 9)"),
    "hang": late("import time; time.sleep(99)"),
    "run out of rates": torch_script("return [0.1] * 50"),
    "run out of metrics": torch_script(
        "o = torch.optim.SGD(parameters(), lr=0.1)\n"
        "s = lr_scheduler.ReduceLROnPlateau(o)\n"
        "return dict(optimizer=o, scheduler=s, metrics=[1.0] * 49)"
    ),
}


@pytest.mark.parametrize("text", ENDS.values(), ids=list(ENDS))
def test_two_that_both_end_early_do_not_agree(compared, text):
    result = compared(text, text, time_limit=2.0)
    assert result.comparison.verdict is PairVerdict.INCOMPLETE
    assert result.comparison.notes == (
        "compared: reported and applied rates at 50 of 1,000 updates",
    )
    for trace in result.traces:
        assert "it ended after 50 of 1,000 updates: " in trace.problems[-1]


@pytest.mark.parametrize("updates", [1, 5, 49])
def test_however_few_updates_they_made(compared, updates):
    text = torch_script(f"return [0.1] * {updates}")
    result = compared(text, text, steps=updates)
    assert result.comparison.verdict is PairVerdict.AGREE
    result = compared(text, text, steps=updates + 1)
    assert result.comparison.verdict is PairVerdict.INCOMPLETE


SETS = """\
class Setting:
    def __init__(self, o): self.o, self.n = o, 0
    def step(self):
        self.n += 1
        self.o.param_groups[0]["lr"] = {rate}
o = torch.optim.SGD(parameters(), lr=0.1)
return o, Setting(o)
"""


@pytest.mark.parametrize(
    "rate",
    [
        "float('nan')",
        "0.1 if self.n % 2 else float('nan')",
        "float('nan') if self.n == 7 else 0.1",
        "torch.tensor(float('nan'))",
    ],
)
@pytest.mark.parametrize("applied", [True, False])
def test_a_rate_that_is_no_number_agrees_with_nothing(compared, rate, applied):
    text = torch_script(SETS.format(rate=rate))
    both = compared(text, text, steps=20, applied=applied).comparison
    assert both.verdict is PairVerdict.INCOMPLETE
    assert "reported: NaN in both at " in both.notes[0]
    one = compared(text, CONSTANT, steps=20, applied=applied).comparison
    assert one.verdict is PairVerdict.DIFFER
    first = both.sequences[0].steps[np.argmax(np.isnan(both.sequences[0].one))]
    assert {sequence.first for sequence in one.sequences} == {first}
    assert np.isnan(one.sequences[0].at(first)[0])


def test_infinities_do_not_agree_with_numbers(compared):
    text = torch_script(SETS.format(rate="float('inf')"))
    assert compared(text, CONSTANT, steps=9).comparison.verdict is PairVerdict.DIFFER


GROUPS = (
    "groups = [{'params': [torch.zeros(1, requires_grad=True)], 'lr': r} for r in RATES]\n"
    "return torch.optim.SGD(groups, lr=0.1)"
)


@pytest.mark.parametrize("rates", ["[0.1]", "[0.1, 0.1, 0.1]", "[0.1, 0.1, 0.1, 0.2]"])
def test_groups_that_one_lacks_are_not_passed_over(compared, rates):
    two = torch_script(GROUPS.replace("RATES", "[0.1, 0.1]"))
    comparison = compared(two, torch_script(GROUPS.replace("RATES", rates)), steps=9).comparison
    assert comparison.verdict is PairVerdict.INCOMPLETE
    assert comparison.missing


def test_what_was_compared_is_said(compared):
    text = torch_script(GROUPS.replace("RATES", "[0.1, 0.2, 0.3]"))
    comparison = compared(text, text, steps=9).comparison
    assert comparison.verdict is PairVerdict.AGREE
    assert comparison.notes == (
        "compared: reported and applied rates of 3 groups at all 9 updates",
    )
    notes = compared(text, text, steps=1, applied=False).comparison.notes
    assert notes == ("compared: reported rates of 3 groups at all 1 update",)


def test_a_scheduler_that_was_never_stepped_is_said_to_be(script):
    one = side("torch", script(TORCH))
    result = verify((one, one), Training(5, 20))
    assert result.traces[0].problems == ("ExponentialLR was never stepped in this time",)


LOSES_ITS_APPLIED = """\
class Losing(torch.optim.SGD):
    n = 0
    def step(self):
        self.n += 1
        if self.n > 5 and self.param_groups[0]["params"][0].grad is not None: raise RuntimeError
        super().step()
return Losing(parameters(), lr=0.1)
"""


def test_applied_rates_that_are_lost_on_the_way_are_missed(compared):
    text = torch_script(LOSES_ITS_APPLIED)
    comparison = compared(text, text, steps=20).comparison
    assert comparison.verdict is PairVerdict.INCOMPLETE
    assert comparison.notes == ("compared: reported and applied rates at 5 of 20 updates",)


@pytest.mark.parametrize(("dtype", "updates"), [("bfloat16", 60), ("float16", 500)])
@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
def test_what_is_too_coarse_to_tell_is_not_said_to_agree(compared, dtype, updates, rate):
    text = torch_script(
        f"return torch.optim.SGD(parameters(), lr=torch.tensor({rate}, dtype=torch.{dtype}))"
    )
    few = compared(text, text, steps=3).comparison
    many = compared(text, text, steps=updates).comparison
    assert few.verdict is PairVerdict.AGREE or dtype == "bfloat16"
    assert many.verdict is PairVerdict.INCOMPLETE
    assert f"reported: in {dtype} rounding may add up to more than 10%" in many.notes[0]


COUNTING = """\
class Counting(torch.optim.SGD):
    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.made = 0
    def step(self, closure=None):
        {before}
        super().step()
        {after}
return Counting([torch.zeros(1, requires_grad=True)], lr=1.0)
"""


@pytest.mark.parametrize(
    ("before", "after", "applied"),
    [
        ("pass", "self.made += 1; self.param_groups[0]['lr'] = 0.5 ** self.made", None),
        ("self.made += 1; self.param_groups[0]['lr'] = 0.5 ** self.made", "pass", None),
        ("self.made += 1", "pass", [1.0] * 6),
    ],
)
def test_an_optimizer_that_counts_its_steps_counts_each_once(rates_of, before, after, applied):
    rates, trace = rates_of("torch", COUNTING.format(before=before, after=after))
    if applied is None:
        assert rates == [0.5**n for n in range(6)]
        assert (
            "applied rates were not observed: ValueError: this optimizer changes its rate"
            in (trace.problems[0])
        )
    else:
        assert trace.sequences["applied"].tolist() == applied
