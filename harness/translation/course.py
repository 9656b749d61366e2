"""Whether a script drives a schedule as its translation is driven, and what it does instead.

A translation is a schedule that a single optimizer follows, stepped once after each update or once
after the updates of each epoch. What else a script does, or may do, is a remark with its line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.translation.following import WHICH, Branch, Event, Following, Loop, Thing, walk
from harness.translation.scopes import short

UPDATE, EPOCH = "update", "epoch"


@dataclass(frozen=True, order=True)
class Remark:
    """A way in which a script's rates are not, or may not be, those of the call."""

    line: int
    what: str


@dataclass(frozen=True)
class Course:
    """What a script does with a schedule.

    Attributes:
        remarks: why the rates of the script may be others than those of the call.
        unit: update or epoch, after each of which it is stepped; empty where that is not known.
        passes: the updates in an epoch, where the script says it.
        optimizer: the call that makes the optimizer; None where that is not known.
    """

    remarks: tuple[Remark, ...]
    unit: str = ""
    passes: int | None = None
    optimizer: ast.Call | None = None

    def but(self, more: Iterable[tuple[int, str]]) -> Course:
        """The same with further remarks, each a line and what is on it."""
        remarks = {*self.remarks, *(Remark(line, what) for line, what in more)}
        return replace(self, remarks=tuple(sorted(remarks)))


def course(following: Following, call: ast.Call) -> Course:
    """What a script does with the schedule that a call makes."""
    return _Judge(following, call).course()


class _Judge:
    def __init__(self, following: Following, call: ast.Call) -> None:
        self.following, self.call = following, call
        self.parts = {part for part, whole in following.parts.items() if whole is call}
        self.given = following.given_to.get(call, [])
        self.optimizers = following.optimizers_of.get(call, frozenset())
        self.looked_up = ".nn." in following.apis[call]
        self.remarks: list[Remark] = []
        self.units: dict[str, ast.AST] = {}
        self.passes: int | None = None

    def course(self) -> Course:
        """The remarks, and after what the schedule is stepped."""
        events = [event for root in self.following.roots for event in walk(root)]
        self._events(events)
        for node in self.following.scopes.dynamic:
            self._say(node, "runs code that may change any rate")
        if self.looked_up or self.following.apis[self.call].startswith("mindspore.train."):
            self._given(events)
        else:
            self._others()
            self._stepping()
        nodes = self.given if self.looked_up else [thing.node for thing in self.optimizers]
        made = nodes[0] if len(nodes) == 1 and nodes[0] in self.following.optimizers else None
        unit = next(iter(self.units)) if len(self.units) == 1 else ""
        optimizer = made if isinstance(made, ast.Call) else None
        return Course(tuple(sorted(set(self.remarks))), unit, self.passes, optimizer)

    def _say(self, node: ast.AST, what: str) -> None:
        self.remarks.append(Remark(getattr(node, "lineno", 0), f"`{short(node)}` {what}"))

    def _is_mine(self, thing: Thing) -> bool:
        return thing.node is self.call or thing.node in self.parts or self._is_optimizer(thing)

    def _is_optimizer(self, thing: Thing) -> bool:
        return thing in self.optimizers or thing.node in self.given

    def _events(self, events: Sequence[Event]) -> None:
        """What is done that no translation does, wherever it is done."""
        for event in events:
            mine = [thing for thing in event.things if self._is_mine(thing)]
            if not mine:
                continue
            is_schedule = any(thing.is_schedule for thing in mine)
            which = "the schedule" if is_schedule else "its optimizer"
            match event.kind:
                case "escape":
                    if event.what:
                        what = event.what.replace(WHICH, which)
                        self.remarks.append(Remark(_line_of(event.node), what))
                    else:
                        what = f"is given {which}: what it does with it is not known"
                        self._say(event.node, what)
                case "write":
                    self._say(
                        event.node, f"may change the {'schedule' if is_schedule else 'rates'}"
                    )
                case "load":
                    self._say(event.node, f"loads the state of {which}, and with it other rates")
                case "chosen":
                    self._say(event.node, f"chooses between this and another for {which}")
                case "rebound":
                    self._say(event.node, f"gives the name of {which} to another")
                case "looked up":
                    self._say(event.node, "looks the rate up itself, beside the optimizer")
                case "step" if any(thing.node in self.parts for thing in mine):
                    self._say(event.node, "steps a part of the schedule by itself")

    def _others(self) -> None:
        for other, optimizers in self.following.optimizers_of.items():
            is_apart = other is not self.call and other not in self.following.parts
            if is_apart and optimizers & self.optimizers:
                self._say(other, "acts on the same optimizer too: the rate is neither's alone")
        if not self.optimizers:
            self._say(self.call, "acts on an optimizer that is not known")
        for thing in self.optimizers:
            if thing.node not in self.following.optimizers:
                self._say(thing.node, "is an optimizer whose rate and groups are not known")

    def _given(self, events: Sequence[Event]) -> None:
        if self.looked_up and not self.given:
            self._say(self.call, "is given to no optimizer that is known")
        for other in self.given[1:]:
            self._say(other, "is a second optimizer with the same schedule")
        made = [event for event in events if event.kind == "made" and event.node is self.call]
        if not made:
            self._say(self.call, "is made where it cannot be followed")

    def _stepping(self) -> None:
        roots = [self._relevant(root) for root in self.following.roots]
        stepped = [root for root in roots if any(e.kind != "made" for e in walk(root))]
        events = [event for root in stepped for event in walk(root)]
        steps = [event for event in events if event.kind == "step"]
        updates = [event for event in events if event.kind == "update"]
        if not steps:
            self._say(self.call, "is never stepped, as far as can be seen")
        elif not updates:
            self._say(steps[0].node, "is called where no update of the optimizer is seen")
        elif len(stepped) > 1 and not all(self._is_whole(root) for root in stepped):
            where = updates[0].node
            self._say(
                steps[0].node,
                f"and the updates (line {getattr(where, 'lineno', 0)}) are in functions whose "
                "order is not known",
            )
        else:
            for root in stepped:
                self._outermost(_tidy(root))
        if len(self.units) > 1:
            other = _line_of(self.units[EPOCH])
            self._say(
                self.units[UPDATE], f"comes after an update, and on line {other} after several"
            )
        if not self.following.apis[self.call].endswith("ReduceLROnPlateau"):
            for event in steps:
                if isinstance(event.node, ast.Call) and (event.node.args or event.node.keywords):
                    self._say(event.node, "is given an argument, and goes to where that says")

    def _is_whole(self, root: list[Any]) -> bool:
        kinds = {event.kind for event in walk(root)}
        return {"step", "update"} <= kinds

    def _relevant(self, events: list[Any]) -> list[Any]:
        """The updates and steps of this schedule alone."""
        kept: list[Any] = []
        for event in events:
            if isinstance(event, Loop):
                if body := self._relevant(event.body):
                    kept.append(replace(event, body=body))
            elif isinstance(event, Branch):
                alternatives = [self._relevant(each) for each in event.alternatives]
                if any(alternatives):
                    kept.append(Branch(event.node, alternatives))
            elif (
                (event.kind == "update" and any(map(self._is_optimizer, event.things)))
                or (event.kind == "step" and any(t.node is self.call for t in event.things))
                or (event.kind == "made" and event.node is self.call)
            ):
                kept.append(event)
        return kept

    def _outermost(self, events: list[Any]) -> None:
        """What is done once: whether a training takes place at all matters to nothing."""
        while True:
            for number, event in enumerate(events):
                if isinstance(event, Loop) and any(e.kind == "made" for e in walk(event.body)):
                    self._say(event.node, "makes the schedule anew in each pass")
                    events = [*event.body, *events[number + 1 :]]
                    break
            else:
                break
        events = [event for event in events if not _is_made(event)]
        for event in events[:-1]:
            if isinstance(event, Loop) and event.is_left:
                self._say(event.node, "may be left in the middle of a pass, and more follows")
        if len(events) == 1 and isinstance(events[0], Branch):
            full = [_without_made(each) for each in events[0].alternatives]
            full = [each for each in full if each]
            if len(full) == 1:
                self._outermost(full[0])
                return
        self._pass(events)

    def _pass(self, events: list[Any]) -> None:
        """What is done in each pass of a loop."""
        kinds = [_kinds(event) for event in events]
        both = [event for event, kind in zip(events, kinds, strict=True) if len(kind) == 2]
        for event, kind in zip(events, kinds, strict=True):
            if both and len(kind) == 1:
                other = "the updates" if kind == {"step"} else "the steps"
                self._say(_first(event).node, f"is apart from {other} on line {_line(both[0])}")
        for event in both:
            self._inner(event)
        if not both:
            self._flat(events)

    def _inner(self, event: Any) -> None:
        if isinstance(event, Loop):
            self._pass(event.body)
        elif isinstance(event, Branch):
            full = [each for each in event.alternatives if each]
            if len(full) == 1:
                self._pass(full[0])
            else:
                self._say(event.node, "steps the schedule and the optimizer in several ways")

    def _flat(self, events: list[Any]) -> None:
        """Updates, and then a single step."""
        steps = [event for event in events if _kinds(event) == {"step"}]
        updates = [event for event in events if _kinds(event) == {"update"}]
        if not steps or not updates:
            return
        first = _first(steps[0]).node
        if events.index(steps[0]) < events.index(updates[0]):
            last = "optimizer's update" if isinstance(updates[0], Event) else "updates of its epoch"
            self._say(first, f"comes before the {last} (line {_line(updates[0])}), not after")
        elif events.index(updates[-1]) > events.index(steps[0]):
            self._say(first, f"comes before another update (line {_line(updates[-1])})")
        for other in steps[1:]:
            self._say(_first(other).node, f"is a second step, after that on line {_line(steps[0])}")
        if isinstance(steps[0], Branch):
            self._say(first, f"is called under a condition (line {_line_of(steps[0].node)})")
        elif isinstance(steps[0], Loop):
            self._say(first, "is called more than once, in a loop of its own")
        single = [event for event in updates if not isinstance(event, Loop)]
        for event in single:
            if isinstance(event, Branch):
                what = f"is made under a condition (line {_line_of(event.node)}), the step is not"
                self._say(_first(event).node, what)
        if len(single) == len(updates) and len(updates) > 1:
            self._say(_first(updates[1]).node, "is a second update, and the step comes after both")
        unit = UPDATE if len(single) == len(updates) else EPOCH
        passes = None
        if len(updates) == 1 and isinstance(updates[0], Loop) and _is_plain(updates[0]):
            passes = updates[0].passes
        if unit in self.units and unit == EPOCH and (passes is None or passes != self.passes):
            line = _line_of(self.units[unit])
            self._say(first, f"may come after another number of updates than on line {line}")
        self.passes = passes
        self.units.setdefault(unit, first)


def _is_plain(loop: Loop) -> bool:
    return len(loop.body) == 1 and isinstance(loop.body[0], Event)


def _is_made(event: Any) -> bool:
    return isinstance(event, Event) and event.kind == "made"


def _without_made(events: list[Any]) -> list[Any]:
    return [event for event in events if not _is_made(event)]


def _kinds(event: Any) -> set[str]:
    return {each.kind for each in walk([event])} - {"made"}


def _first(event: Any) -> Event:
    return next(each for each in walk([event]) if each.kind != "made")


def _line(event: Any) -> int:
    return _line_of(_first(event).node)


def _line_of(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _tidy(events: list[Any]) -> list[Any]:
    """The same without branches all of whose alternatives do the same."""
    tidied: list[Any] = []
    for event in events:
        if isinstance(event, Loop):
            tidied.append(replace(event, body=_tidy(event.body)))
        elif isinstance(event, Branch):
            different: dict[Any, list[Any]] = {}
            for alternative in map(_tidy, event.alternatives):
                different.setdefault(tuple(_form(alternative)), alternative)
            if len(different) == 1:
                tidied.extend(*different.values())
            else:
                tidied.append(Branch(event.node, list(different.values())))
        else:
            tidied.append(event)
    return tidied


def _form(events: list[Any]) -> Iterator[Any]:
    """What is done, without the lines where it is done."""
    for event in events:
        if isinstance(event, Loop):
            yield ("loop", tuple(_form(event.body)))
        elif isinstance(event, Branch):
            yield ("branch", frozenset(tuple(_form(each)) for each in event.alternatives))
        else:
            yield event.kind
