"""From YAML files to cases. Every problem is found in one pass and said with file, line and key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.case import Case, CaseFile, KnownDivergence
from harness.case_files import MAX_BYTES, duplicate_names, files_below, shown
from harness.errors import InvalidCases, Problem, did_you_mean
from harness.files import TooLarge, read_bytes
from harness.reference import FAMILIES

MAX_DEPTH = 12

Location = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """What some case files hold."""

    cases: tuple[Case, ...]
    known_divergences: tuple[KnownDivergence, ...]


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Gives events only: what they stand for is said here."""
_PLAIN: dict[str, list[tuple[re.Pattern[str], Callable[[str], Any]]]] = {}
"""The plain scalars of YAML 1.2 that are no texts, by their first letters.

`1e-3` is a number; `1:30`, `yes` and `2026-01-01` are texts, and nothing is octal.
"""
for _pattern, _first, _convert in (
    (r"~|null|", ["", "~", "n"], lambda _: None),
    (r"true|false", "tf", lambda text: text == "true"),
    (r"[-+]?[0-9]+", "-+0123456789", int),
    (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        "-+.0123456789",
        lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    ),
):
    for _letter in _first:
        _PLAIN.setdefault(_letter, []).append((re.compile(_pattern), _convert))


def case_schema() -> dict[str, Any]:
    """The JSON Schema of a case file, for completion in editors."""
    schema = CaseFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def schema_text() -> str:
    """The text of `cases/schema.json`."""
    return json.dumps(case_schema(), indent=2, ensure_ascii=False) + "\n"


def load(paths: Iterable[Path]) -> Loaded:
    """Load every case file at or below `paths`.

    Raises:
        InvalidCases: with every problem of every file, one bad file hiding no other's.
    """
    loaded, problems = check(paths)
    if problems:
        raise InvalidCases(problems)
    return loaded


def check(paths: Iterable[Path]) -> tuple[Loaded, list[Problem]]:
    """Load what can be loaded, and collect what is wrong with the rest."""
    problems: list[Problem] = []
    parts = [load_file(path, problems) for path in files_below(paths, problems)]
    cases = tuple(case for part in parts for case in part.cases)
    divergences = tuple(record for part in parts for record in part.known_divergences)
    problems += duplicate_names(cases) + duplicate_names(divergences)
    return Loaded(cases, divergences), sorted(problems)


def load_file(path: Path, problems: list[Problem]) -> Loaded:
    """What one file holds; `problems` gets what is wrong with it."""
    file = _load_file(path, problems)
    if file is None:
        return Loaded((), ())
    cases = (*file.cases, *_expanded(file, problems))
    return Loaded(cases, tuple(file.known_divergences))


def _expanded(file: CaseFile, problems: list[Problem]) -> Iterator[Case]:
    """The cases that the validations of a file stand for."""
    for validation in file.validations:
        for content in validation.expanded():
            try:
                (case,) = CaseFile.model_validate({"format": 1, "cases": [content]}).cases
            except ValidationError as error:
                detail = error.errors(include_url=False)[0]
                key = _key(tuple(part for part in detail["loc"][3:]))
                what, remedy = _wording(detail, detail["loc"][-1], CaseFile)
                where = f"{content['name']}: {key}"
                problems.append(Problem(validation.file, validation.line, where, what, remedy))
                break
            case.located(validation.file, validation.line)
            yield case


def _load_file(path: Path, problems: list[Problem]) -> CaseFile | None:
    source = Source(shown(path))
    file = source.model(path, CaseFile)
    if file is not None:
        for group in ("cases", "validations", "known_divergences"):
            for index, item in enumerate(getattr(file, group)):
                item.located(source.file, source.lines[(group, index)])
    problems += source.problems
    return file


@dataclass
class Source:
    """One file's text, with the line of everything in it."""

    file: str
    manual: str = "cases/README.md"
    """Where the format is told."""
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, line: int, key: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, line, key, what, remedy))

    def model(self, path: Path, kind: type[M]) -> M | None:
        """What the file holds, or None where there are problems."""
        try:
            data = self.parse(path)
            return None if data is None else kind.model_validate(data)
        except OSError as error:
            self.problem(1, "", f"cannot be read: {error.strerror}", "make it a readable file")
        except ValidationError as error:
            self.explain(error, kind)
        return None

    def parse(self, path: Path) -> Any:
        """Plain values; None where there are problems.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            text = read_bytes(path, MAX_BYTES).decode()
        except TooLarge as error:
            self.problem(1, "", error.what, "split it, a file a behaviour")
            return None
        except UnicodeDecodeError as error:
            self.problem(1, "", f"not UTF-8 at byte {error.start}", "save it as UTF-8")
            return None
        try:
            data = self._values(text)
            if data is None:
                self.problem(1, "", "empty", "begin with 'format: 1'")
            return data
        except _Refused as refused:
            self.problems.clear()
            self.problem(*refused.args)
        except yaml.YAMLError as error:
            mark: yaml.Mark | None = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or str(error)
            self.problem(
                mark.line + 1 if mark is not None else 1, "", f"not YAML: {what}", "mend the syntax"
            )
        return None

    def _values(self, text: str) -> Any:
        """The one document of a file as plain values; None where there is none."""
        events = _events(text)
        next(events)
        start = next(events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        value = self._value(next(events), events, ())
        next(events)
        second = next(events)
        if not isinstance(second, yaml.StreamEndEvent):
            raise _Refused(_line(second), "", "another document", "make it a file of its own")
        return value

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], location: Location) -> Any:
        """What begins with `event`, of which the rest is to come."""
        self.lines.setdefault(location, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self._value(event, events, (*location, len(items))))
            return items
        result: dict[Any, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                self.problem(line, _key(location), "not a plain key", "write a word and a colon")
                _skip(event, events)
                _skip(next(events), events)
                continue
            key = _scalar(event)
            here = (*location, key)
            if key in result:
                what = f"given already in line {self.lines[here]}"
                self.problem(line, _key(here), what, "remove one")
                _skip(next(events), events)
                continue
            self.lines[here] = line
            result[key] = self._value(next(events), events, here)
        return result

    def explain(self, error: ValidationError, kind: type[BaseModel]) -> None:
        """Turn pydantic's errors into problems, each at the line of the nearest key there is."""
        for detail in error.errors(include_url=False):
            location: Location = ()
            path = detail["loc"]
            if path[:1] == ("cases",):  # the third part is the kind of case, and no key
                path = (*path[:2], *path[3:])
            for part in path:
                if (*location, part) in self.lines:
                    location = (*location, part)
            leaf = detail["loc"][-1] if detail["loc"] else ""
            key = (*location, leaf) if detail["type"] == "missing" else location
            what, remedy = _wording(detail, leaf, kind, self.manual)
            self.problem(self.lines.get(location, 1), _key(key), what, remedy)


class _Refused(Exception):
    """The arguments of a problem: of what no case needs, and what could blow up."""


def _events(text: str) -> Iterator[yaml.Event]:
    """The events of a file, up to one that is refused before anything is built of it."""
    depth = 0
    anchors: set[str] = set()
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(_line(event), "", f"alias *{event.anchor}", "write the value out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            if event.tag is not None:
                raise _Refused(_line(event), "", f"tag {event.tag!r}", "write the plain value")
            if event.anchor is not None:
                if event.anchor in anchors:
                    what = f"&{event.anchor} a second time"
                    raise _Refused(_line(event), "", what, "remove both")
                anchors.add(event.anchor)
            depth += isinstance(event, yaml.CollectionStartEvent)
            if depth > MAX_DEPTH:
                raise _Refused(_line(event), "", f"nested deeper than {MAX_DEPTH}", "flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        yield event


def _skip(event: yaml.Event, events: Iterator[yaml.Event]) -> None:
    """Go through the rest of what begins with `event`."""
    depth = int(isinstance(event, yaml.CollectionStartEvent))
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if event.implicit[0]:
        for pattern, convert in _PLAIN.get(text[:1], ()):
            if pattern.fullmatch(text):
                try:
                    return convert(text)
                except ValueError:  # of more digits than Python reads
                    what = f"a number of {len(text)} digits"
                    raise _Refused(_line(event), "", what, "write fewer digits") from None
    return text


def _key(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


_REMEDIES = {
    "float_type": "write a number, without quotes",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false",
    "string_type": "write a text (in quotes where it looks like a number)",
    "list_type": "write a list",
    "dict_type": "write keys and values",
    "finite_number": "write a finite number",
    "literal_error": "use one of the values named",
}


def _wording(
    detail: Any, leaf: str | int, model: type[BaseModel], manual: str = "cases/README.md"
) -> tuple[str, str]:
    """What is wrong and what to do, in the words of the format."""
    kind = detail["type"]
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return "missing", f"add '{leaf}:'"
    if kind == "extra_forbidden":
        return "unknown key", f"remove it{did_you_mean(str(leaf), _known_keys(model) - {leaf})}"
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return (
            "neither a known family nor a surface",
            f"give 'family:' ({', '.join(sorted(FAMILIES))}) or 'surface:'",
        )
    message = message[0].lower() + message[1:]
    if kind == "value_error":
        return message, f"see {manual} for the format"
    given = detail.get("input")
    shown = f", got {given!r}" if isinstance(given, str | int | float | bool) else ""
    return message + shown, _REMEDIES.get(kind, f"see {manual} for the format")


@cache
def _known_keys(model: type[BaseModel]) -> frozenset[str]:
    schema = model.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    return frozenset(key for model in models for key in model.get("properties", {}))
