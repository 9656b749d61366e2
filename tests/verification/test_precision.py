"""Rates are compared in the precision in which a script holds them."""

from __future__ import annotations

import pytest
from helpers.scripts import mindspore_script, torch_script

from harness.catalogue import Precision
from harness.traces.comparing import PairVerdict
from harness.verification import Training, side, verify

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

EXACT = "return [0.1] * 6 + [0.05] * 4"
"""In float64, what the others hold in fewer digits."""
RATES = "rates = [0.1] * 6 + [LAST] * 4\n"
HELD = {
    ("torch", "float64"): ["rates", "np.array(rates)", "torch.tensor(rates, dtype=torch.float64)"],
    ("torch", "float32"): [
        "np.array(rates, np.float32)",
        "[np.float32(rate) for rate in rates]",
        "torch.tensor(rates)",
        "[torch.tensor(rate) for rate in rates]",
    ],
    ("torch", "float16"): [
        "np.array(rates, np.float16)",
        "tuple(np.float16(rate) for rate in rates)",
        "torch.tensor(rates, dtype=torch.float16)",
    ],
    ("torch", "bfloat16"): [
        "torch.tensor(rates, dtype=torch.bfloat16)",
        "list(torch.tensor(rates, dtype=torch.bfloat16))",
        "dict(learning_rate=torch.tensor(rates, dtype=torch.bfloat16))",
    ],
    ("mindspore", "float64"): ["rates", "np.array(rates)", "Tensor(rates, ms.float64)"],
    ("mindspore", "float32"): [
        "np.array(rates, np.float32)",
        "[np.float32(rate) for rate in rates]",
        "Tensor(rates, ms.float32)",
        "[Tensor(rate, ms.float32) for rate in rates]",
        "nn.SGD(parameters(), rates)",
        "nn.SGD(parameters(), np.array(rates))",
    ],
    ("mindspore", "float16"): [
        "np.array(rates, np.float16)",
        "[np.float16(rate) for rate in rates]",
        "Tensor(rates, ms.float16)",
        "nn.SGD(parameters(), Tensor(rates, ms.float16))",
        "nn.SGD([{'params': parameters(), 'lr': np.array(rates, np.float16)}], 0.5)",
    ],
    ("mindspore", "bfloat16"): [
        "Tensor(rates, ms.bfloat16)",
        "[Tensor(rate, ms.bfloat16) for rate in rates]",
        "dict(learning_rate=Tensor(rates, ms.bfloat16))",
    ],
}
ALL = [(*key, returned) for key, many in HELD.items() for returned in many]


def both(script, framework, returned, last):
    text = (torch_script if framework == "torch" else mindspore_script)(
        f"import numpy as np\n{RATES.replace('LAST', last)}return {returned}"
    )
    one = side("torch", script(torch_script(EXACT), "exact.py"))
    return verify((one, side(framework, script(text))), Training(10))


@pytest.mark.parametrize(("framework", "held", "returned"), ALL)
def test_its_rounding_is_no_difference_and_a_real_one_is_found(script, framework, held, returned):
    result = both(script, framework, returned, "0.05")
    assert result.comparison.verdict is PairVerdict.AGREE
    assert result.traces[1].precision["reported"] is Precision(held)
    assert result.traces[1].problems == ()
    comparison = both(script, framework, returned, "0.048").comparison
    assert comparison.verdict is PairVerdict.DIFFER
    assert {sequence.first for sequence in comparison.sequences} == {6}


@pytest.mark.parametrize(
    ("dtype", "other"), [("float32", "0.1000005"), ("float16", "0.1002"), ("bfloat16", "0.101")]
)
def test_a_difference_of_two_units_is_found_in_each_precision(script, dtype, other):
    sides = [
        side("torch", script(torch_script(f"return {rates}"), f"{n}.py"))
        for n, rates in enumerate(
            (
                "[0.1] * 900",
                f"torch.full((900,), 0.1, dtype=torch.{dtype})",
                f"torch.full((900,), {other}, dtype=torch.{dtype})",
            )
        )
    ]
    agree = verify((sides[0], sides[1]), Training(900)).comparison
    assert agree.verdict is PairVerdict.AGREE
    differ = verify((sides[0], sides[2]), Training(900)).comparison
    assert differ.sequences[0].first == 0


@pytest.mark.parametrize(
    ("rate", "held"),
    [
        ("np.float32(0.1)", "float32"),
        ("torch.tensor(0.1)", "float32"),
        ("np.float16(0.1)", "float16"),
    ],
)
def test_a_rate_that_loses_digits_on_the_way_is_compared_in_the_fewest(rates_of, rate, held):
    _, trace = rates_of(
        "torch",
        "import numpy as np\n"
        "class Rounding:\n    n = 0\n    def __init__(self, o): self.o = o\n"
        "    def step(self):\n        self.n += 1\n"
        f"        self.o.param_groups[0]['lr'] = {rate} if self.n > 2 else 0.1\n"
        "o = torch.optim.SGD(parameters(), lr=0.1)\nreturn o, Rounding(o)",
    )
    assert trace.precision["reported"] is Precision(held)
    assert f"reported: float64 before update 3, and {held} from there on" in trace.problems[0]


def test_each_group_has_its_own(rates_of):
    _, trace = rates_of(
        "torch",
        "groups = [{'params': [torch.zeros(1, requires_grad=True)], 'lr': rate}\n"
        "          for rate in (0.1, torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float16))]\n"
        "return torch.optim.SGD(groups)",
    )
    assert trace.precision == {
        "reported": Precision.FLOAT64,
        "reported 1": Precision.FLOAT32,
        "reported 2": Precision.FLOAT16,
        "applied": Precision.FLOAT32,
        "applied 1": Precision.FLOAT32,
        "applied 2": Precision.FLOAT16,
    }
