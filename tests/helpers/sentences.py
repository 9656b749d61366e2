"""Whether the sentence of a diagnosis is true of two traces: read word by word, with no harness.

`holds` takes the sentence apart and looks at the rates one by one. It knows nothing of how the
sentence came about.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise

Rates = dict[int, float]
"""Step to rate; a step without one is left out."""
NEAR = 1e-9
"""Of the greatest rate, in float64."""
S = r"(?P<s>the second(?:'s \w+ rate, and no other,| in group [\d, ]+| in [a-z\d ,]+?)?)"
WHEN = r"(?P<count>one step|\d+ steps) (?P<way>early|late)"
PACE = r"at (?P<pace>every update|\d+ of \d+ updates)"
AT = r"(?P<rates>\S+|.+ \(.+\))"
F = r"(?P<factor>[-+\w.]+)"
ANCHOR = r"(?: from the end of the warm-up \(step (?P<anchor>\d+)\) on)?"
SPAN = r"(?:one step|\d+ steps|one epoch of \d+ steps|\d+ epochs of \d+ steps)"


@dataclass
class Said:
    """What a part of a sentence is about: one sequence in both traces, and the words."""

    one: Rates
    other: Rates
    name: str
    words: dict[str, str]
    near: float

    def number(self, word: str) -> int:
        return int(self.words[word])

    def alike(self, a: float | None, b: float | None) -> bool:
        top = max(map(abs, [*self.one.values(), *self.other.values()]))
        return a is not None and b is not None and abs(a - b) <= self.near * top

    @property
    def by(self) -> int:
        """How many steps the second is ahead."""
        count = self.words["count"]
        steps = 1 if count == "one step" else int(count.split()[0])
        return steps if self.words["way"] == "early" else -steps

    def is_first(self, by: int, since: int = 0) -> bool:
        """Whether the second is the first's, `by` steps ahead, wherever both can tell, from a step.

        Some rates have to tell, and no fewer than those of which nobody can.
        """
        seen = [
            self.alike(rate, self.one.get(max(step + by, min(self.one))))
            for step, rate in self.other.items()
            if step >= since and step + by <= max(self.one)
        ]
        return bool(seen) and all(seen)

    def still(self, rates: list[float]) -> bool:
        return all(self.alike(rate, rates[0]) for rate in rates)

    def rate_said(self) -> float:
        text = self.words["rates"]
        parts = {name: float(rate) for rate, name in re.findall(r"(\S+) \(([^)]+)\)", text)}
        return parts[self.name] if parts else float(text)


def changes(rates: Rates) -> list[int]:
    steps = sorted(rates)
    return [b for a, b in pairwise(steps) if rates[a] != rates[b]]


def pace_is(rates: Rates, said: str) -> bool:
    count, updates = len(changes(rates)), len(rates) - 1
    return said == ("every update" if count == updates else f"{count} of {updates} updates")


def stairs_are(rates: Rates, length: int) -> bool:
    found = changes(rates)
    return bool(found) and math.gcd(*found) == length


def ends_warm_up(rates: Rates, step: int) -> bool:
    steps = [n for n in sorted(rates) if n <= step]
    rises = all(rates[a] <= rates[b] for a, b in pairwise(steps))
    return rises and len(steps) > 1 and rates[step] == max(rates.values())


def rounded(said: Said) -> bool:
    how = said.words["how"]
    places = re.fullmatch(r"(\d+) decimal places", how)
    digits = re.fullmatch(r"(\d+) significant digits", how)

    def off(step: int, rate: float) -> float:
        """By how many units in the last place that is kept the rate is another one."""
        exact = said.one[step]
        if places or digits:
            head = math.floor(math.log10(abs(exact))) if exact else 0
            last = int(places[1]) if places else int(digits[1]) - 1 - head
            beside = 0.5 - abs(abs(rate) * 10.0**last % 1 - 0.5)
            return abs(exact - rate) * 10.0**last + beside
        import ml_dtypes
        import numpy as np

        made = float(np.asarray(exact).astype(getattr(ml_dtypes, how, None) or how))
        return 0 if said.alike(made, rate) else 1

    # A half may be rounded up or down.
    return all(off(step, rate) <= 0.5 + 1e-6 for step, rate in said.other.items())


def still(said: Said) -> bool:
    moves, stands = (
        (said.one, said.other) if said.words.get("how") is None else (said.other, said.one)
    )
    rates = list(stands.values())
    moving = len(set(moves.values())) > 1
    return moving and said.still(rates) and said.alike(rates[0], said.rate_said())


def unit(said: Said, slow: Rates, fast: Rates) -> bool:
    """Whether the slow one has throughout an epoch what the fast one has at an update."""
    every = said.number("every")
    return all(said.alike(rate, fast.get(step // every)) for step, rate in slow.items())


def entries(said: Said, few: Rates, many: Rates) -> bool:
    every = said.number("every")
    whole = sorted(few) == list(range(len(few)))
    return whole and abs(len(few) * every - (max(many) + 1)) < every and unit(said, many, few)


def factor(said: Said) -> bool:
    since, times = int(said.words.get("since") or 0), float(said.words["factor"])
    plus = float(said.words.get("plus") or 0)
    top = max(map(abs, [*said.one.values(), *said.other.values()]))  # they are told in nine digits
    return all(
        abs(rate - said.one[step] * (times if step >= since else 1) - plus) <= 1e-8 * top
        for step, rate in said.other.items()
    )


def after_warm_up(said: Said) -> bool:
    top = said.number("top")
    ends = any(top in rates and ends_warm_up(rates, top) for rates in (said.one, said.other))
    as_many = said.words["as_many"] is None or abs(said.by) in (top, top + 1)
    return ends and as_many and said.is_first(said.by, top + 1)


def times(said: Said) -> bool:
    """Whether the one goes through the other's rates so many times as fast."""
    n, anchor = said.number("times"), int(said.words["anchor"] or 0)
    faster = said.words["way"] in ("faster", "early")
    slow, fast = (said.one, said.other) if faster else (said.other, said.one)
    if anchor and not any(ends_warm_up(rates, anchor) for rates in (slow, fast)):
        return False
    for step, rate in fast.items():
        at = step if step < anchor else anchor + (step - anchor) * n
        if at <= max(slow) and not said.alike(rate, slow.get(at)):
            return False
    if said.words["each"]:
        lates, earlies = ([step - anchor for step in changes(rates)] for rates in (slow, fast))
        return lates == [n * step for step in earlies]
    return True


def ends(said: Said) -> bool:
    first = said.words["who"] == "the first"
    stands, moves = (said.one, said.other) if first else (said.other, said.one)
    since = said.number("since")
    tail = [rate for step, rate in stands.items() if step >= since]
    if not tail or not said.still(tail) or not said.alike(tail[0], said.rate_said()):
        return False
    if said.words["how"] == "is held" and not said.alike(stands.get(since - 1), tail[0]):
        return False
    if left := said.words["left"]:
        count = math.prod(map(int, re.findall(r"\d+", left))) if left != "one step" else 1
        if max(stands) + 1 - since != count:
            return False
    return len({rate for step, rate in moves.items() if step >= since - 1}) > 1


def course(said: Said) -> bool:
    """Whether the second goes through the first's rates in so many steps, and not in as many."""
    takes, due, begin = said.number("takes"), said.number("due"), int(said.words["since"] or 0)
    count = math.prod(map(int, re.findall(r"\d+", said.words["left"]) or [1]))
    if count != abs(takes - due) or (takes < due) != (said.words["more"] == "fewer"):
        return False
    top = max(map(abs, said.one.values()))
    for step, rate in said.other.items():
        if step < begin:
            if not said.alike(rate, said.one.get(step)):
                return False
            continue
        at = begin + (step - begin) * due / takes
        if step > begin + takes or math.ceil(at) > max(said.one):
            continue
        low, high = said.one[math.floor(at)], said.one[math.ceil(at)]
        room = 0.25 * abs(high - low) + 1e-3 * top
        if not min(low, high) - room <= rate <= max(low, high) + room:
            return False
    return True


def between(said: Said) -> bool:
    a, b, c, d = (float(said.words[name]) for name in "abcd")
    shared = [said.one[step] for step in said.other]
    near = [(min(said.other.values()), a), (max(said.other.values()), b)]
    near += [(min(shared), c), (max(shared), d)]
    if not said.words["both"]:
        near += [(min(said.one.values()), c), (max(said.one.values()), d)]
    top = max(map(abs, (a, b, c, d)))
    return all(abs(x - y) <= 1e-8 * top for x, y in near) and all(
        abs(a + (b - a) * (said.one[step] - c) / (d - c) - rate) <= 1e-7 * max(abs(a), abs(b))
        for step, rate in said.other.items()
    )


def has_none(said: Said) -> bool:
    short, long = (said.one, said.other) if said.words["who"] == "first" else (said.other, said.one)
    count = math.prod(map(int, re.findall(r"\d+", said.words["left"]) or [1]))
    return max(short) + 1 == said.number("since") and max(long) - max(short) == count


def adds_up(said: Said) -> bool:
    steps = sorted(said.one.keys() & said.other.keys())
    apart = [said.other[step] - said.one[step] for step in steps]
    top = max(said.one.values())
    return all(abs(b - a) <= 1e-5 * top for a, b in pairwise(apart))


SENTENCES = {
    rf"{S} is the first, rounded to (?P<how>.+)": rounded,
    rf"{S} stands still at {AT}, as a schedule does that is looked up once": still,
    rf"{S} (?P<how>moves), where the first stands still at {AT}": still,
    rf"{S} changes {PACE}, where the first goes in stairs of (?P<every>\d+)": lambda said: (
        pace_is(said.other, said.words["pace"]) and stairs_are(said.one, said.number("every"))
    ),
    rf"{S} goes in stairs of (?P<every>\d+) updates, where the first changes {PACE}": lambda said: (
        pace_is(said.one, said.words["pace"]) and stairs_are(said.other, said.number("every"))
    ),
    rf"{S} has one entry for each epoch of (?P<every>\d+) of the first's updates": lambda said: (
        entries(said, said.other, said.one)
    ),
    r"the first has one entry for each epoch of (?P<every>\d+) of the second's updates": (
        lambda said: entries(said, said.one, said.other)
    ),
    rf"{S} goes on at every update as the first does once an epoch of (?P<every>\d+) updates": (
        lambda said: unit(said, said.one, said.other)
    ),
    rf"{S} goes on once an epoch of (?P<every>\d+) updates as the first does at every update": (
        lambda said: unit(said, said.other, said.one)
    ),
    rf"{S} is {F} times the first(?: from step (?P<since>\d+) on)?": factor,
    rf"{S} is {F} times the first plus (?P<plus>\S+)": factor,
    rf"{S} is the first, {WHEN}": lambda said: said.is_first(said.by),
    rf"from step (?P<since>\d+) on, {S} is the first, {WHEN}": lambda said: said.is_first(
        said.by, said.number("since")
    ),
    rf"{S} is {WHEN} after the warm-up, which ends at step (?P<top>\d+)"
    "(?P<as_many>, by as many steps as the warm-up has)?": after_warm_up,
    rf"{S} begins anew at step (?P<since>\d+)": lambda said: said.is_first(
        -said.number("since"), said.number("since")
    ),
    rf"{S} goes on at another step from step (?P<since>\d+) on: it is the first, {WHEN}": (
        lambda said: said.is_first(said.by, said.number("since"))
    ),
    rf"(?P<each>each) change of {S} comes (?P<times>\d+) times too (?P<way>early|late){ANCHOR}": (
        times
    ),
    rf"time runs (?P<times>\d+) times (?P<way>faster|slower) in {S} than in the first{ANCHOR}"
    "(?P<each>)": times,
    rf"(?P<who>the first|{S}) (?P<how>is held|stands still) at {AT} from step (?P<since>\d+) on"
    rf"(?:, (?P<left>{SPAN}) before the end)?, where (?P<t>the first|the second.*) goes on": ends,
    rf"{S} has the course of the first in (?P<takes>\d+) steps(?: from step (?P<since>\d+) on)?, "
    rf"not (?P<due>\d+): (?P<left>{SPAN}) (?P<more>fewer|more)": course,
    rf"{S} has the course of the first between (?P<a>\S+) and (?P<b>\S+), not (?P<c>[^ ,]+) and "
    r"(?P<d>[^ ,]+)(?P<both>, at the steps that both have)?": between,
    rf"the (?P<who>first|second) has no rate from step (?P<since>\d+) on, (?P<left>{SPAN}) before "
    r"the (?:first|second) ends": has_none,
    r"the two are no further apart than arithmetic in \w+ makes them: a difference of precision "
    "explains it": lambda said: all(
        abs(rate - said.one[step]) <= 1e-3 * abs(rate)
        for step, rate in said.other.items()
        if step in said.one
    ),
    r"each step of the second(?P<s> in [a-z\d ,]+)? is that of the first within the roundings of "
    r"\w+, and these add up": adds_up,
}


def holds(
    sentence: str, one: dict[str, Rates], other: dict[str, Rates], near: float = NEAR
) -> bool:
    """Whether the sentence is one that is known, and true of each sequence that it is about."""
    group = re.fullmatch(
        r"group (?P<groups>[\d, ]+) of the second has the (?P<kind>\w+ )?rate of group (?P<of>\d+)",
        sentence,
    )
    shared = [name for name in one if name in other]
    if group:
        named = [int(n) for n in group["groups"].split(", ")]
        kinds = [group["kind"].strip()] if group["kind"] else {n.split()[0] for n in shared}
        for kind in kinds:
            of = kind if group["of"] == "0" else f"{kind} {group['of']}"
            for number in named:
                name = f"{kind} {number}" if number else kind
                said = Said(one[of], other[name], name, {}, near)
                if not all(said.alike(rate, one[of].get(n)) for n, rate in other[name].items()):
                    return False
        return True
    known = [(f, m) for pattern, f in SENTENCES.items() if (m := re.fullmatch(pattern, sentence))]
    assert known, f"a sentence that the test does not know: {sentence}"
    ((is_true, match),) = known
    words = match.groupdict()
    subject, about, rest = words.get("s") or words.get("t") or "", list(shared), []
    if "and no other" in subject:
        kind = subject.split("'s ")[1].split()[0]
        about = [name for name in shared if name.split()[0] == kind]
        rest = [name for name in shared if name not in about]
    elif " in group " in subject:
        groups = subject.split(" in group ")[1].split(", ")
        about = [n for n in shared if (n.split()[1] if " " in n else "0") in groups]
        rest = [name for name in shared if name not in about]
    elif " in " in subject:
        about = subject.split(" in ")[1].split(", ")
        rest = []
    assert about, sentence
    for name in rest:
        said = Said(one[name], other[name], name, words, near)
        if not all(said.alike(rate, one[name].get(n, rate)) for n, rate in other[name].items()):
            return False
    return all(is_true(Said(one[name], other[name], name, words, near)) for name in about)
