"""What a script does with its optimizers and schedules, followed through its syntax tree.

Statements are followed in their order, functions of the file where they are called. The result is
a tree of events: an optimizer makes an update, a schedule is stepped, either is given to
something that is not in the file. Nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.translation.scopes import Function, NotLiteral, Scope, Scopes

MAX_CALLS = 2_000
"""Calls of functions of the file that are followed."""
MAX_DEPTH = 12
WHICH = "<which>"
"""In a text, in place of the schedule or the optimizer that it is about."""

_HARMLESS_CALLS = {
    *("print", "len", "isinstance", "type", "id", "repr", "str", "hasattr", "bool", "any", "all"),
    "torch.save",
}
_PASSED_ON = {"list", "tuple", "iter", "reversed"}
_READ_OF_SCHEDULE = {
    *("get_last_lr", "get_lr", "state_dict", "print_lr", "last_epoch", "step_size", "gamma"),
    *("T_max", "total_steps", "best", "num_bad_epochs", "patience", "factor"),
}
_READ_OF_OPTIMIZER = {"zero_grad", "state_dict", "__class__", "clear_grad", "get_lr", "parameters"}
_HARMLESS_DECORATORS = {
    *("main", "no_grad", "enable_grad", "inference_mode", "staticmethod", "classmethod", "record"),
    *("command", "option", "argument", "compile", "jit", "automain", "property", "override"),
    *("wraps", "cache", "lru_cache", "contextmanager"),
}
_SCALERS = {"scaler", "grad_scaler", "amp_scaler", "loss_scaler"}
"""What a scaler of gradients is usually called, where it is an argument."""
_HARMLESS_BASES = {"object", "torch.nn.Module", "abc.ABC", "mindspore.nn.Cell"}
_ENDINGS = {"sys.exit", "exit", "quit", "os._exit"}


@dataclass(frozen=True, eq=False)
class Thing:
    """An optimizer or a schedule, by the call that makes it, or by the name that it first has."""

    node: ast.expr
    is_schedule: bool = False
    name: str = ""
    """The API of a schedule; the full name of an optimizer's class, empty where it is not known."""


@dataclass(frozen=True)
class Event:
    """What is done with some things at a place.

    `kind` is update, step, made, given, write, load, looked up, rebound, chosen, or escape.
    """

    kind: str
    things: frozenset[Thing]
    node: ast.AST
    what: str = ""


@dataclass(frozen=True)
class Loop:
    """What is done in each pass; `passes` where their number is written there."""

    node: ast.AST
    body: list[Any]
    passes: int | None = None
    is_left: bool = False
    """Whether it may be left in the middle of a pass."""


@dataclass(frozen=True)
class Branch:
    """What is done in one case or another."""

    node: ast.AST
    alternatives: list[list[Any]]


class Absent:
    """What a name stands for that is bound to nothing, or to None."""


ABSENT = Absent()


@dataclass(eq=False)
class Instance:
    """An object of a class of the file, or one that has been given an attribute."""

    made_by: ast.ClassDef | None
    known: Callable[[Instance], dict[str, Any]]

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes, as far as they are known now."""
        return self.known(self)


@dataclass(frozen=True)
class Groups:
    """The `param_groups` of optimizers, or one of them."""

    things: frozenset[Thing]


@dataclass(frozen=True, eq=False)
class Called:
    """A function that is known by name: a lambda, or a method with its object."""

    node: Function | ast.Lambda
    of: Instance | None = None


@dataclass(eq=False)
class Following:
    """The events of a script.

    Args:
        scopes: the script's names.
        apis: the calls that make a schedule, with their APIs.
        optimizers: the calls that make an optimizer, with the full names of their classes.
        parts: the calls that are a part of another schedule, with that.
    """

    scopes: Scopes
    apis: dict[ast.Call, str]
    optimizers: dict[ast.Call, str]
    parts: Mapping[ast.expr, ast.Call]

    def __post_init__(self) -> None:
        self.roots: list[list[Any]] = []
        self.optimizers_of: dict[ast.expr, frozenset[Thing]] = {}
        self.given_to: dict[ast.expr, list[ast.Call]] = {}
        self._made: dict[ast.Call, Thing] = {}
        self._names: dict[tuple[Any, str], Any] = {}
        self._held: dict[tuple[Any, str], set[Thing]] = {}
        self._events: list[Any] = []
        self._returned: list[list[Any]] = []
        self._stack: list[ast.AST] = []
        self._followed: set[ast.AST] = set()
        self._given_away: set[ast.AST] = set()
        self._instances: list[Instance] = []
        self._loops = 0
        self._loops_at_call = [0]
        self._left_in_loop = [False]
        self._is_left = False
        self._calls = 0
        with self._root():
            self._run(self.scopes.tree.body)
        self._follow_the_rest()

    # Where a following begins

    @contextmanager
    def _root(self, loops: int = 0) -> Iterator[None]:
        """`loops` is 1 of what may be called again and again."""
        self._events = []
        self.roots.append(self._events)
        self._loops, self._loops_at_call, self._left_in_loop = loops, [loops], [False]
        yield

    def _follow_the_rest(self) -> None:
        """What nothing in the file calls may be called from elsewhere."""
        for call in self.apis:
            if call not in self._made:
                function = self._outermost_function(call)
                if function is not None and function not in self._followed:
                    self._follow_from_elsewhere(function)
        functions = [n for n in self.scopes.parents if isinstance(n, Function)]
        outer = [f for f in functions if self._outermost_function(f) is None]
        for function in (*outer, *outer):  # the first may give what another mentions
            if function not in self._followed and any(self._mentioned(function)):
                self._follow_from_elsewhere(function)
        for function, thing, mention in self._unfollowed():
            name = getattr(function, "name", "lambda")
            what = f"when `{name}` is called, which has {WHICH}, is not known"
            self.roots[0].append(Event("escape", frozenset({thing}), mention, what))

    def _outermost_function(self, node: ast.AST) -> ast.AST | None:
        found, around = None, self.scopes.parents.get(node)
        while around is not None:
            if isinstance(around, Function):
                found = around
            around = self.scopes.parents.get(around)
        return found

    def _follow_from_elsewhere(self, function: Any) -> None:
        around = self.scopes.parents.get(function)
        instance = None
        if isinstance(around, ast.ClassDef):
            instance = next((i for i in self._instances if i.made_by is around), None)
            if instance is None:
                instance = Instance(around, self._attributes)
                self._instances.append(instance)
                first = self._method(around, "__init__")
                if first is not None and first is not function:
                    with self._root(1):
                        self._inline(first, None, instance)
        with self._root(1):
            value = self._inline(function, None, instance)
            what = f"`{function.name}` returns {WHICH} to a caller that is not in the file"
            self._escape(value, function, what)

    def _mentioned(self, function: ast.AST) -> Iterator[tuple[Thing, ast.AST]]:
        for node in ast.walk(function):
            key: tuple[Any, str] | None = None
            if isinstance(node, ast.Name):
                owner = self.scopes.owner(node)
                key = (owner, node.id) if owner is not self.scopes.own(function) else None
            elif isinstance(node, ast.Attribute):
                key = (None, node.attr)
            if key is not None:
                for thing in self._held.get(key, ()):
                    yield thing, node

    def _unfollowed(self) -> Iterator[tuple[ast.AST, Thing, ast.AST]]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        for function in self.scopes.parents:
            is_known = function in self._followed and function not in self._given_away
            if isinstance(function, kinds) and not is_known:
                seen = set()
                for thing, mention in self._mentioned(function):
                    if thing not in seen:
                        seen.add(thing)
                        yield function, thing, mention

    # Statements

    def _run(self, statements: list[ast.stmt]) -> str:  # noqa: PLR0912 - a kind each
        """Follow statements; how they are left, if they are: raise, return, break or continue."""
        for number, statement in enumerate(statements):
            rest = statements[number + 1 :]
            match statement:
                case ast.If():
                    left, is_whole = self._if(statement, rest)
                    if left or is_whole:
                        return left
                case ast.Return(value=value):
                    empty = value is None or _is_none(value)
                    self._returned[-1].append(ABSENT if empty else self._value(value))
                    self._left_in_loop[-1] |= self._loops > self._loops_at_call[-1] > 0
                    return "return"
                case ast.Raise():
                    return "raise"
                case ast.Break():
                    return "break"
                case ast.Continue():
                    return "continue"
                case ast.Expr(value=ast.Call(func=func)) if self._full(func) in _ENDINGS:
                    return "raise"
                case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                    for item in items:
                        self._plain(item.context_expr)
                        if item.optional_vars is not None:
                            self._assign(item.optional_vars, None)
                    if not any("suppress" in ast.unparse(item.context_expr) for item in items):
                        if left := self._run(body):
                            return left
                    elif self._branch(statement, [body, []]):
                        self._branch(statement, [rest, []])
                        return ""
                case ast.Match(subject=subject, cases=cases):
                    self._plain(subject)
                    if self._branch(statement, [*(case.body for case in cases), []]):
                        self._branch(statement, [rest, []])
                        return ""
                case ast.Try():
                    left, is_sure = self._try(statement)
                    if left and not is_sure:
                        self._branch(statement, [rest, []])
                        return ""
                    if left:
                        return left
                case _:
                    self._statement(statement)
            if self._left_in_loop[-1] and rest:  # the function may have been left in a loop
                self._branch(statement, [rest, []])
                return ""
        return ""

    def _statement(self, statement: ast.stmt) -> None:  # noqa: PLR0912 - a kind each
        match statement:
            case ast.Expr(value=value):
                self._value(value)
            case ast.Assign(targets=targets, value=value):
                found = ABSENT if _is_none(value) else self._value(value)
                for target in targets:
                    self._assign(target, found)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, self._value(value))
            case ast.AugAssign(target=target, value=value):
                self._plain(value)
                self._changed(target, statement)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._changed(target, statement)
            case ast.For() | ast.AsyncFor():
                self._for(statement)
            case ast.While(test=test, body=body, orelse=orelse):
                with self._loop(statement):
                    self._plain(test)
                    self._run(body)
                self._otherwise(statement, orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for each in statement.decorator_list:
                    self._plain(each)
                self._defaults_escape(statement.args)
            case ast.ClassDef(bases=bases, body=body):
                for each in bases:
                    self._plain(each)
                self._run(body)
            case _:
                for child in ast.iter_child_nodes(statement):
                    if isinstance(child, ast.expr):
                        self._plain(child)

    def _if(self, statement: ast.If, rest: list[ast.stmt]) -> tuple[str, bool]:
        """How it is left, and whether the rest was followed too."""
        known = self._truth(statement.test)
        self._value(statement.test)
        if known is not None:
            return self._run(statement.body if known else statement.orelse), False
        before = dict(self._names)
        one, left = self._captured(statement.body)
        after, self._names = self._names, dict(before)
        other, left_other = self._captured(statement.orelse)
        if self._is_end(left) and not one:  # of the training, or by an error
            self._events.extend(other)
            return left_other, False
        if self._is_end(left_other) and not other:
            self._names = after
            self._events.extend(one)
            return left, False
        if not left and not left_other:
            self._add_branch(statement, [one, other])
            self._names = self._merged(after, self._names, statement)
            return "", False
        if left and left_other:
            self._add_branch(statement, [one, other])
            return left, False
        if left_other:
            self._names = after
        further, left_further = self._captured(rest)
        goes_on = one if left_other else other
        self._add_branch(statement, [[*goes_on, *further], other if left_other else one])
        return left_further, True

    def _is_end(self, left: str) -> bool:
        """Whether what leaves a block so ends the training, or the program."""
        if left == "break" and self._loops == 1:
            self._is_left = True
            return True
        if left == "return" and self._loops_at_call[-1] == 0:
            self._is_left |= self._loops > 0
            return True
        return left == "raise"

    def _try(self, statement: ast.Try) -> tuple[str, bool]:
        """How it is left, and whether it is left so in any case."""
        before = dict(self._names)
        body, left = self._captured(statement.body)
        if not left:
            further, left = self._captured(statement.orelse)
            body += further
        after = self._names
        alternatives, caught, lefts = [body], False, [left]
        for handler in statement.handlers:
            self._names = dict(before)
            events, how = self._captured(handler.body)
            if events or not self._is_end(how):
                caught = True
                alternatives.append(events)
                lefts.append(how)
                after = self._merged(after, self._names, statement)
        self._names = after
        if caught:
            self._add_branch(statement, alternatives)
        else:
            self._events.extend(body)
        if left := self._run(statement.finalbody):
            return left, True
        return next(filter(None, lefts), ""), all(lefts)

    def _branch(self, statement: ast.AST, bodies: list[list[ast.stmt]]) -> bool:
        """Follow one of several; whether one of them leaves what is around it."""
        is_left = False
        before, after = dict(self._names), None
        alternatives = []
        for body in bodies:
            self._names = dict(before)
            events, left = self._captured(body)
            if events or not self._is_end(left):
                is_left |= bool(left)
                alternatives.append(events)
                names = self._names
                after = names if after is None else self._merged(after, names, statement)
        self._names = before if after is None else after
        self._add_branch(statement, alternatives)
        return is_left

    def _add_branch(self, node: ast.AST, alternatives: list[list[Any]]) -> None:
        if any(alternatives):
            self._events.append(Branch(node, alternatives))

    def _captured(self, statements: list[ast.stmt]) -> tuple[list[Any], str]:
        outer, self._events = self._events, []
        left = self._run(statements)
        events, self._events = self._events, outer
        return events, left

    def _merged(self, one: dict[Any, Any], other: dict[Any, Any], node: ast.AST) -> dict[Any, Any]:
        """What names stand for after two branches: a schedule that one of them makes is made."""
        names = {}
        for key in one.keys() | other.keys():
            a, b = one.get(key, ABSENT), other.get(key, ABSENT)
            if a is b or a == b or b is ABSENT:
                names[key] = a
            elif a is ABSENT:
                names[key] = b
            else:
                things = _things(a) | _things(b)
                if things:
                    self._emit("chosen", things, node)
                names[key] = things or None
        return names

    @contextmanager
    def _loop(self, node: ast.AST, passes: int | None = None) -> Iterator[None]:
        before = dict(self._names)
        outer, self._events = self._events, []
        self._loops += 1
        yield
        self._loops -= 1
        events, self._events = self._events, outer
        if events:
            self._events.append(Loop(node, events, passes, self._is_left))
        self._is_left &= self._loops > 0
        for key, value in before.items():
            now = self._names.get(key)
            if _things(value) and now is not value and _things(now) != _things(value):
                self._emit("rebound", _things(value), node)

    def _for(self, statement: ast.For | ast.AsyncFor) -> None:
        over = self._value(statement.iter)
        if isinstance(over, tuple) and _things(over) and not _has_break(statement):
            for each in over:
                self._assign(statement.target, each)
                self._run(statement.body)
        else:
            if over is not None and not isinstance(over, Groups):
                self._escape(over, statement.iter)
            with self._loop(statement, _passes(statement.iter)):
                self._assign(statement.target, over if isinstance(over, Groups) else None)
                self._run(statement.body)
        self._otherwise(statement, statement.orelse)

    def _otherwise(self, loop: ast.stmt, body: list[ast.stmt]) -> None:
        """What a loop does at its end, unless it was broken off."""
        if _has_break(loop):
            self._branch(loop, [body, []])
        else:
            self._run(body)

    def _assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name():
                owner = self.scopes.owner(target)
                self._hold(owner, target.id, value)
                if owner is not None and owner.is_class:
                    self._escape(value, target)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                each = value if isinstance(value, tuple) and len(value) == len(targets) else None
                if each is None:
                    self._escape(value, target)
                for number, inner in enumerate(targets):
                    self._assign(inner, None if each is None else each[number])
            case ast.Attribute(value=of, attr=attr):
                self._assign_attribute(target, of, attr, value)
            case ast.Subscript(value=of):
                base = self._value(of)
                self._write(base, target)
                self._escape(value, target)
            case ast.Starred(value=inner):
                self._assign(inner, None)
                self._escape(value, target)

    def _assign_attribute(self, target: ast.Attribute, of: ast.expr, attr: str, value: Any) -> None:
        base = self._value(of)
        is_object = isinstance(of, ast.Name) and not self._full(of)
        if base is None and _things(value) and is_object and isinstance(of, ast.Name):
            base = Instance(None, self._attributes)
            self._hold(self.scopes.owner(of), of.id, base)
        if isinstance(base, Instance):
            self._names[base, attr] = value
            self._held.setdefault((None, attr), set()).update(_things(value))
            unread = self._unread_base(base.made_by)
            if unread and _things(value):
                self._escape(value, target, f"what the base class `{unread}` does is not known")
            return
        self._write(base, target)
        self._escape(value, target)

    def _hold(self, owner: Scope | None, name: str, value: Any) -> None:
        self._names[owner, name] = value
        if things := _things(value):
            self._held.setdefault((owner, name), set()).update(things)

    def _changed(self, target: ast.expr, statement: ast.stmt) -> None:
        """What `+=` or `del` do."""
        if isinstance(target, ast.Name):
            key = self.scopes.owner(target), target.id
            if isinstance(statement, ast.AugAssign):
                self._escape(self._names.get(key), statement)
            self._names[key] = None
        elif isinstance(target, ast.Attribute | ast.Subscript):
            base = self._value(target.value)
            if not isinstance(base, Instance):
                self._write(base, target)

    def _write(self, base: Any, node: ast.AST) -> None:
        if isinstance(base, Groups):
            self._emit("write", base.things, node)
        elif things := _things(base):
            self._emit("write", things, node)

    def _truth(self, test: ast.expr) -> bool | None:
        """Whether a condition holds that asks for nothing but the presence of a schedule."""
        match test:
            case ast.Constant(value=value):
                return bool(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self._truth(operand)
                return None if truth is None else not truth
            case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as op], comparators=[right]):
                if isinstance(right, ast.Constant) and right.value is None and self._is_one(left):
                    return isinstance(op, ast.IsNot)
            case ast.Compare(left=ast.Name(id="__name__")):
                return True
            case ast.Name() | ast.Attribute():
                return True if self._is_one(test) else None
        return None

    def _is_one(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name | ast.Attribute):
            return False
        outer, self._events = self._events, []
        value = self._value(node)
        self._events = outer
        return isinstance(value, frozenset) and bool(value)

    # Expressions

    def _attributes(self, of: Instance) -> dict[str, Any]:
        return {key[1]: value for key, value in self._names.items() if key[0] is of}

    def _defaults_escape(self, parameters: ast.arguments) -> None:
        for default in (*parameters.defaults, *filter(None, parameters.kw_defaults)):
            self._escape(self._value(default), default)

    def _plain(self, node: ast.expr) -> None:
        """An expression of which nothing is done with what it gives, as far as is known."""
        value = self._value(node)
        if not isinstance(node, ast.Name | ast.Compare):
            self._escape(value, node)

    def _value(self, node: ast.expr | None) -> Any:  # noqa: PLR0912 - a kind each
        match node:
            case None | ast.Constant():
                return None
            case ast.Name():
                value = self._names.get((self.scopes.owner(node), node.id))
                if value is None and (function := self._function(node)) is not None:
                    self._given_away.add(function)
                return None if value is ABSENT else value
            case ast.Attribute(value=of, attr=attr):
                return self._attribute(node, self._value(of), attr)
            case ast.Call():
                return self._call(node)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self._value(item) for item in items)
            case ast.Dict(keys=keys, values=values):
                found = [self._value(value) for value in values]
                names = [key.value if isinstance(key, ast.Constant) else key for key in keys]
                return dict(zip(names, found, strict=True)) if _things(found) else None
            case ast.Subscript(value=of, slice=index):
                return self._item(node, self._value(of), index)
            case ast.Lambda():
                self._defaults_escape(node.args)
                return Called(node)
            case ast.NamedExpr(target=target, value=value):
                given = self._value(value)
                self._assign(target, given)
                return given
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._either(node, test, body, orelse)
            case ast.BoolOp(op=ast.And(), values=[first, second]) if self._truth(first):
                return self._value(second)
            case ast.BoolOp(values=[first, *others]):
                value = self._value(first)
                outer, self._events = self._events, []
                values = [value, *(self._value(other) for other in others)]
                events, self._events = self._events, outer
                self._add_branch(node, [events, []])
                return _things(values) or None
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node)
            case ast.Compare() | ast.JoinedStr() | ast.FormattedValue():
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._value(child)
                return None
            case ast.Await(value=value) | ast.Starred(value=value):
                return self._value(value)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._escape(self._value(child), child)
        return None

    def _either(self, node: ast.AST, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Any:
        known = self._truth(test)
        self._value(test)
        if known is not None:
            return self._value(body if known else orelse)
        outer, events, values = self._events, [], []
        for part in (body, orelse):
            self._events = []
            values.append(ABSENT if _is_none(part) else self._value(part))
            events.append(self._events)
        self._events = outer
        self._add_branch(node, events)
        one, other = values
        value = self._merged({"": one}, {"": other}, node)[""]
        return None if value is ABSENT else value

    def _attribute(self, node: ast.Attribute, base: Any, attr: str) -> Any:
        if isinstance(base, Instance):
            if (base, attr) in self._names:
                found = self._names[base, attr]
                return None if found is ABSENT else found
            method = self._method(base.made_by, attr) if base.made_by is not None else None
            if method is not None and any(
                ast.unparse(each) == "property" for each in method.decorator_list
            ):
                return self._inline(method, None, base)
            return Called(method, base) if method is not None else None
        if isinstance(base, frozenset) and base:
            if all(thing.is_schedule for thing in base):
                if attr == "optimizer":
                    return frozenset(o for t in base for o in self.optimizers_of.get(t.node, ()))
                if attr not in _READ_OF_SCHEDULE:
                    self._escape(base, node)
            elif attr == "param_groups":
                return Groups(base)
            elif attr not in _READ_OF_OPTIMIZER:
                self._escape(base, node)
            return None
        if base is not None:
            self._escape(base, node)
        return None

    def _item(self, node: ast.Subscript, base: Any, index: ast.expr) -> Any:
        self._value(index)
        if isinstance(base, Groups):
            is_key = isinstance(index, ast.Constant) and isinstance(index.value, str)
            around = self.scopes.parents[node]
            if is_key and isinstance(around, ast.Attribute) and around.attr != "item":
                self._emit("write", base.things, around)
            if is_key and isinstance(index, ast.Constant) and index.value == "params":
                return None
            return None if is_key else base
        if isinstance(base, tuple | dict) and isinstance(index, ast.Constant):
            place: Any = index.value
            try:
                return base[place]
            except (LookupError, TypeError):
                return None
        self._escape(base, node)
        return None

    def _comprehension(self, node: Any) -> Any:
        first = node.generators[0]
        over = self._value(first.iter)
        is_plain = isinstance(node, ast.ListComp) and len(node.generators) == 1 and not first.ifs
        if is_plain and isinstance(over, tuple) and _things(over):
            results = []
            for each in over:
                self._assign(first.target, each)
                results.append(self._value(node.elt))
            return tuple(results)
        outer, self._events = self._events, []
        with self._loop(node):
            self._assign(first.target, over if isinstance(over, Groups) else None)
            if not isinstance(over, Groups):
                self._escape(over, node)
            for generator in node.generators[1:]:
                self._plain(generator.iter)
                self._assign(generator.target, None)
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.expr):
                    self._escape(self._value(part), node)
            for generator in node.generators:
                for condition in generator.ifs:
                    self._plain(condition)
        events, self._events = self._events, outer
        # Conditions are not asked about, and a generator is run by whoever takes from it.
        is_whole = isinstance(node, ast.ListComp) and not any(g.ifs for g in node.generators)
        self._add_branch(node, [events] if is_whole else [events, []])
        return None

    # Calls

    def _call(self, node: ast.Call) -> Any:
        if node in self.apis:
            return self._schedule_made(node)
        if node in self.optimizers:
            return self._optimizer_made(node)
        func = node.func
        if isinstance(func, ast.Attribute):
            base = self._value(func.value)
            if isinstance(base, frozenset) and base:
                return self._used(node, base, func.attr)
            if isinstance(base, Groups) or (base is not None and not isinstance(base, Instance)):
                self._escape(base, node)
            if func.attr in {"step", "unscale_"} and node.args and self._is_scaler(func.value):
                value = self._value(node.args[0])
                if isinstance(value, frozenset) and value:
                    if func.attr == "step":
                        self._emit("update", value, node)
                    self._arguments_escape(node, 1)
                    return None
            if isinstance(base, Instance):
                target = self._attribute(func, base, func.attr)
                if isinstance(target, Called):
                    return self._inline(target.node, node, target.of)
                if base.made_by is None:
                    self._escape(base, node)
                self._arguments_escape(node)
                return None
        return self._function_called(node, func)

    def _function_called(  # noqa: PLR0912 - a kind each
        self, node: ast.Call, func: ast.expr
    ) -> Any:
        full = self._full(func)
        if full in _HARMLESS_CALLS:
            for argument in (*node.args, *(k.value for k in node.keywords)):
                self._value(argument)
            return None
        if full in _PASSED_ON and node.args:
            return self._value(node.args[0])
        if full in {"enumerate", "zip"}:
            values = [self._value(argument) for argument in node.args]
            if full == "enumerate" and isinstance(values[0], tuple):
                return tuple((None, value) for value in values[0])
            if full == "enumerate" and isinstance(values[0], Groups):
                return values[0]
            if all(isinstance(value, tuple) for value in values):
                return tuple(zip(*values, strict=False))
            self._escape(tuple(values), node)
            return None
        held = None
        if isinstance(func, ast.Name):
            held = self._names.get((self.scopes.owner(func), func.id))
        if isinstance(held, Called):
            return self._inline(held.node, node, held.of)
        if isinstance(held, frozenset) and held:
            return self._object_called(node, held)
        function, found = self._function(func), self._class(func)
        if function is not None:
            return self._inline(function, node, None)
        if found is not None:
            instance = Instance(found, self._attributes)
            self._instances.append(instance)
            first = self._method(found, "__init__")
            if first is not None:
                self._inline(first, node, instance)
            else:
                self._arguments_escape(node)
            return instance
        if full.startswith("mindspore.") and "load" not in full:
            values = [self._value(a) for a in (*node.args, *(k.value for k in node.keywords))]
            for value in values:
                self._escape(frozenset(t for t in _things(value) if not self._is_taken(t)), node)
            return None
        if not isinstance(func, ast.Name | ast.Attribute):
            self._escape(self._value(func), func)
        self._arguments_escape(node)
        return None

    def _is_scaler(self, node: ast.expr) -> bool:
        """Whether it scales losses: its `step` makes an update of an optimizer."""
        try:
            made = self.scopes.of(node) if isinstance(node, ast.Name | ast.Attribute) else node
        except NotLiteral:
            return ast.unparse(node).rpartition(".")[2] in _SCALERS
        return isinstance(made, ast.Call) and ast.unparse(made.func).endswith("GradScaler")

    def _is_taken(self, thing: Thing) -> bool:
        """What MindSpore's own functions may be given: an optimizer, and a callback."""
        return not thing.is_schedule or thing.name.startswith("mindspore.train.")

    def _object_called(self, node: ast.Call, things: frozenset[Thing]) -> Any:
        """An optimizer of MindSpore is called with gradients; a Cell is called to look it up."""
        for thing in things:
            kind = "looked up" if thing.is_schedule else "update"
            self._emit(kind, frozenset({thing}), node)
        self._arguments_escape(node)

    def _used(self, node: ast.Call, base: frozenset[Thing], attr: str) -> Any:
        schedules = frozenset(thing for thing in base if thing.is_schedule)
        if schedules:
            if attr == "step":
                self._emit("step", schedules, node)
            elif attr == "load_state_dict":
                self._emit("load", schedules, node)
            elif attr not in _READ_OF_SCHEDULE:
                self._escape(schedules, node)
        if optimizers := base - schedules:
            if attr == "step":
                self._emit("update", optimizers, node)
            elif attr == "load_state_dict":
                self._emit("load", optimizers, node)
            elif attr == "add_param_group":
                self._emit("write", optimizers, node)
            elif attr not in _READ_OF_OPTIMIZER:
                self._escape(optimizers, node)
        self._arguments_escape(node)

    def _schedule_made(self, node: ast.Call) -> Any:
        thing = Thing(node, True, self.apis[node])
        self._made[node] = thing
        places = [(None, a) for a in node.args] + [(k.arg, k.value) for k in node.keywords]
        values = [self._value(place) for _, place in places]
        inner = [t for value in values for t in _things(value) if t.is_schedule]
        if ".nn." not in thing.name and not thing.name.startswith("mindspore.train."):
            is_first = not thing.name.endswith("ChainedScheduler")
            for number, (name, place) in enumerate(places):
                if name == "optimizer" or (name is None and number == 0 and is_first):
                    if not _things(values[number]) and isinstance(place, ast.Name | ast.Attribute):
                        values[number] = frozenset({Thing(place)})
                        self._assign_unknown(place, values[number])
                    self.optimizers_of[node] = _things(values[number])
            if node not in self.optimizers_of:
                of_parts = [self.optimizers_of.get(part.node, frozenset()) for part in inner]
                self.optimizers_of[node] = frozenset[Thing]().union(*of_parts)
        for part in inner:
            if self.parts.get(part.node) is not node:
                self._escape(frozenset({part}), node)
        self._emit("made", frozenset({thing}), node)
        return frozenset({thing})

    def _assign_unknown(self, place: ast.Name | ast.Attribute, value: frozenset[Thing]) -> None:
        """Give a name to an optimizer of which nothing but the name is known."""
        if isinstance(place, ast.Name):
            self._hold(self.scopes.owner(place), place.id, value)
            return
        base = self._value(place.value)
        if base is None and isinstance(place.value, ast.Name):
            base = Instance(None, self._attributes)
            self._hold(self.scopes.owner(place.value), place.value.id, base)
        if isinstance(base, Instance):
            self._names[base, place.attr] = value
            self._held.setdefault((None, place.attr), set()).update(value)

    def _optimizer_made(self, node: ast.Call) -> Any:
        thing = Thing(node, False, self.optimizers[node])
        places = [(None, a) for a in node.args] + [(k.arg, k.value) for k in node.keywords]
        for number, (name, place) in enumerate(places):
            value = self._value(place)
            is_rate = name in {"lr", "learning_rate"} or (name is None and number == 1)
            for each in _things(value):
                if is_rate and isinstance(value, frozenset) and each.is_schedule:
                    self.given_to.setdefault(each.node, []).append(node)
                else:
                    self._escape(frozenset({each}), node)
        return frozenset({thing})

    def _inline(self, function: Any, call: ast.Call | None, instance: Instance | None) -> Any:
        """Follow a function of the file: its value."""
        self._followed.add(function)
        self._calls += 1
        too_much = self._calls > MAX_CALLS or len(self._stack) >= MAX_DEPTH
        own = self.scopes.own(function)
        if too_much or function in self._stack or _is_generator(function):
            if call is not None:
                self._arguments_escape(call)
            self._followed.discard(function)
            return None
        keys = [(own, name) for name in own.bindings]
        kept = {key: self._names.get(key, ABSENT) for key in keys}
        self._bind_arguments(function, call, instance, own)
        self._stack.append(function)
        self._returned.append([])
        self._loops_at_call.append(self._loops)
        self._left_in_loop.append(False)
        began = len(self._events)
        if isinstance(function, ast.Lambda):
            value = self._value(function.body)
        else:
            self._run(function.body)
            value = ABSENT
            for returned in self._returned[-1]:
                value = self._merged({"": value}, {"": returned}, function)[""]
            value = None if value is ABSENT else value
        self._loops_at_call.pop()
        self._left_in_loop.pop()
        self._returned.pop()
        self._stack.pop()
        self._names |= kept
        self._check_decorators(function, self._events[began:])
        return value

    def _check_decorators(self, function: Any, events: list[Any]) -> None:
        things = frozenset(thing for event in walk(events) for thing in event.things)
        for decorator in getattr(function, "decorator_list", ()):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = ast.unparse(called).rpartition(".")[2]
            if things and name not in _HARMLESS_DECORATORS:
                what = f"what `@{ast.unparse(decorator)}` makes of it is not known"
                self._emit("escape", things, function, what)

    def _bind_arguments(
        self, function: Any, call: ast.Call | None, instance: Instance | None, own: Scope
    ) -> None:
        parameters = function.args
        names = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
        decorators = [ast.unparse(each) for each in getattr(function, "decorator_list", ())]
        values: dict[str, Any] = {}
        if instance is not None and "staticmethod" not in decorators and names:
            values[names.pop(0)] = instance if "classmethod" not in decorators else None
        if call is not None:
            given = [self._value(argument) for argument in call.args]
            starred = any(isinstance(argument, ast.Starred) for argument in call.args)
            if starred or len(given) > len(names):
                self._arguments_escape(call)
            else:
                values |= dict(zip(names, given, strict=False))
            every = {*names, *(a.arg for a in parameters.kwonlyargs)}
            for keyword in call.keywords:
                value = self._value(keyword.value)
                if keyword.arg is not None and keyword.arg in every:
                    values[keyword.arg] = value
                else:
                    self._escape(value, call)
        unknown = {a.arg for a in ast.walk(parameters) if isinstance(a, ast.arg)}
        for name in own.bindings:
            self._hold(own, name, values.get(name, None if name in unknown else ABSENT))

    def _arguments_escape(self, node: ast.Call, first: int = 0) -> None:
        for argument in node.args[first:]:
            self._escape(self._value(argument), node)
        for keyword in node.keywords:
            value = self._value(keyword.value)
            if keyword.arg == "callbacks":
                value = frozenset(thing for thing in _things(value) if not self._is_taken(thing))
            self._escape(value, node)

    def _method(self, of: ast.ClassDef | None, name: str) -> Any:
        """A method of a class of the file, or of one that it is derived from."""
        for _ in range(MAX_DEPTH):
            if of is None:
                return None
            found = [f for f in of.body if isinstance(f, Function) and f.name == name]
            if found:
                return found[-1]
            of = next((b for base in of.bases if (b := self._class(base)) is not None), None)
        return None

    def _function(self, name: ast.expr) -> Function | None:
        try:
            found = self.scopes.binding(name).value if isinstance(name, ast.Name) else None
        except NotLiteral:
            return None
        return found if isinstance(found, Function) else None

    def _class(self, base: ast.expr) -> ast.ClassDef | None:
        try:
            found = self.scopes.binding(base).value if isinstance(base, ast.Name) else None
        except NotLiteral:
            return None
        return found if isinstance(found, ast.ClassDef) else None

    def _unread_base(self, of: ast.ClassDef | None) -> str:
        """A base class that is not in the file, and not one that leaves optimizers alone."""
        for base in of.bases if of is not None else ():
            inner = self._class(base)
            if inner is not None:
                if unread := self._unread_base(inner):
                    return unread
            elif self._full(base) not in _HARMLESS_BASES:
                return ast.unparse(base)
        return ""

    def _full(self, node: ast.AST) -> str:
        try:
            return self.scopes.full(node, star=False) or ""
        except NotLiteral:
            return ""

    def _emit(self, kind: str, things: frozenset[Thing], node: ast.AST, what: str = "") -> None:
        self._events.append(Event(kind, things, node, what))

    def _escape(self, value: Any, node: ast.AST, what: str = "") -> None:
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Called):
                self._given_away.add(each.node)
        if things := _things(value):
            self._emit("escape", things, node, what)


def _things(value: Any, seen: frozenset[int] = frozenset()) -> frozenset[Thing]:
    """The optimizers and schedules that are in a value."""
    if isinstance(value, frozenset):
        return value
    if isinstance(value, Groups):
        return value.things
    if isinstance(value, Called):
        value = value.of
    inner: Iterable[Any] = ()
    if isinstance(value, Instance):
        if id(value) in seen:
            return frozenset()
        seen |= {id(value)}
        inner = value.attributes.values()
    elif isinstance(value, tuple | list):
        inner = value
    elif isinstance(value, dict):
        inner = value.values()
    return frozenset(thing for each in inner for thing in _things(each, seen))


def walk(events: Iterable[Any]) -> Iterator[Event]:
    """Every event of a tree."""
    for event in events:
        if isinstance(event, Loop):
            yield from walk(event.body)
        elif isinstance(event, Branch):
            for alternative in event.alternatives:
                yield from walk(alternative)
        else:
            yield event


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _passes(over: ast.expr) -> int | None:
    match over:
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int() as passes)]):
            return passes
    return None


def _has_break(loop: ast.stmt) -> bool:
    return any(isinstance(node, ast.Break) for node in ast.walk(loop))


def _is_generator(function: Any) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
