"""The requirements for an external stream, checked one by one. All problems are reported at once."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from benchmark.streams import checks, external
from benchmark.streams.avalanche import convert, pixels, scenario
from benchmark.streams.avalanche.convert import Source
from benchmark.streams.avalanche.parts import Part
from methods.errors import InputError

OK, WARNING, ERROR = "ok", "warning", "error"
OTHER_STATE = 2**31
"""Added to the seed of the global generators, to find out whether the stream depends on them."""


@dataclass(frozen=True)
class Finding:
    """A requirement that is met, a warning, or an error that stops every run."""

    kind: str  # OK, WARNING or ERROR
    line: str

    def __str__(self) -> str:
        return f"{self.kind:7} {self.line}"


def findings(source: Source) -> Iterator[Finding]:
    """The findings for each requirement in CLAUSES, up to the first error.

    Raises InputError if there is no such stream or its arguments do not fit.
    """
    external.check(source.spec, source.arguments)
    stream = _Tried(source)
    for clause, attempt in CLAUSES.items():
        found = attempt(stream)
        yield from found or [Finding(OK, clause)]
        if any(finding.kind == ERROR for finding in found):
            return


@dataclass(frozen=True)
class _Tried:
    """A stream, made once for all requirements."""

    source: Source

    @cached_property
    def parts(self) -> list[Part]:
        """All experiences. A test set that all tasks share is listed once."""
        train, test = scenario.parts(convert.made(self.source), self.source.spec)
        return list(dict.fromkeys([*train, *test]))

    @cached_property
    def scenario(self) -> scenario.Scenario:
        return convert.scenario_of(self.source)

    @cached_property
    def converted(self) -> convert.Converted:
        return convert.converted(self.source)

    @cached_property
    def digest(self) -> str:
        return self.converted.digest()


def _is_built(stream: _Tried) -> list[Finding]:
    return _refused(lambda: stream.parts)


def _has_labels(stream: _Tried) -> list[Finding]:
    return _in_each(stream.parts, lambda part: part.labels)


def _fits(stream: _Tried) -> list[Finding]:
    return _refused(lambda: stream.scenario)


def _tests_what_it_trains(stream: _Tried) -> list[Finding]:
    return _all(ERROR, checks.disjoint_classes(stream.scenario)) + _all(
        WARNING, checks.untrained_classes(stream.scenario)
    )


def _can_be_read(stream: _Tried) -> list[Finding]:
    return _in_each(stream.parts, lambda part: pixels.taken(part, range(len(part.labels)), stream.scenario))


def _is_scaled(stream: _Tried) -> list[Finding]:
    return _refused(lambda: stream.converted) or _all(WARNING, stream.converted.about_pixels)


def _keeps_test_images_apart(stream: _Tried) -> list[Finding]:
    return _all(WARNING, checks.shown_in_training(stream.converted.train, stream.converted.test))


def _repeats_itself(stream: _Tried) -> list[Finding]:
    if convert.anew(stream.source).digest() == stream.digest:
        return []
    return [
        Finding(
            ERROR,
            f"made again with seed {stream.source.seed}, it has different images or labels: draw random numbers from a "
            "generator with that seed, as torch.Generator().manual_seed(seed)",
        )
    ]


def _agrees_with_another_seed(stream: _Tried) -> list[Finding]:
    first, second = stream.source.seed, stream.source.seed + 1
    other = convert.anew(replace(stream.source, seed=second))
    tasks = stream.converted.kind.tasks, other.kind.tasks
    if tasks[0] != tasks[1]:
        line = (
            f"it has {tasks[0]} tasks with seed {first} and {tasks[1]} with seed {second}: make the same number for "
            "every seed"
        )
        return [Finding(ERROR, line)]
    if other.digest() == stream.digest:
        line = (
            f"seeds {first} and {second} give the same {tasks[0]} tasks, so runs differ only in initial values and "
            "batches: if tasks should differ, let the function take `seed` and draw from it"
        )
        return [Finding(WARNING, line)]
    return []


def _draws_from_its_seed(stream: _Tried) -> list[Finding]:
    other = convert.anew(stream.source, state=stream.source.seed + OTHER_STATE)
    if other.digest() == stream.digest:
        return []
    line = (
        "it draws from the global random generators, which the suite seeds but other programs may not: draw from a "
        "separate generator, as torch.Generator().manual_seed(seed)"
    )
    return [Finding(WARNING, line)]


CLAUSES: dict[str, Callable[[_Tried], list[Finding]]] = {
    "its function returns a benchmark with a training and a test stream": _is_built,
    "every task has examples, each with a whole number as its label": _has_labels,
    "task labels, classes and image shapes fit the suite's networks": _fits,
    "every test set has the classes that its task trains, and no others": _tests_what_it_trains,
    "every example can be read, in one shape, with finite pixels": _can_be_read,
    "pixels are bytes, in [0, 1] or standardised": _is_scaled,
    "no test image is a training image": _keeps_test_images_apart,
    "a seed gives the same stream every time": _repeats_itself,
    "another seed gives other tasks, and the same number of them": _agrees_with_another_seed,
    "random numbers come only from the seed": _draws_from_its_seed,
}


def _refused(attempt: Callable[[], object]) -> list[Finding]:
    try:
        attempt()
    except InputError as error:
        return [Finding(ERROR, str(error))]
    return []


def _in_each(parts: Iterable[Part], look: Callable[[Part], object]) -> list[Finding]:
    return [finding for part in parts for finding in _refused(lambda part=part: look(part))]


def _all(kind: str, lines: Iterable[str]) -> list[Finding]:
    return [Finding(kind, line) for line in lines]
