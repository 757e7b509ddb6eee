"""The requirements for every method, checked on small streams of handwritten digits."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from benchmark.common.loading import file_of, place_of
from benchmark.streams.build import Stream, build
from benchmark.training.directions import wrong_direction
from benchmark.training.engine import Cell
from methods.errors import InputError, UnitError
from methods.method import Method
from methods.settings import Settings, settings_for

SMALL = {"tasks": 3, "train_examples": 60, "hidden": 24, "dropout": 0.2}
TAUGHT = {"tasks": 2, "train_examples": 600, "epochs": 2, "hidden": 64}
ROUNDING = 2e-4
"""Largest difference of a parameter, after about 20 steps in float32, that training with other seeds may cause."""
BETTER_THAN_CHANCE = 2.0
"""Required accuracy on a task directly after learning it, as a multiple of chance."""


class Broken(Exception):
    """A requirement is not met. The message says why and what to do."""


@dataclass(frozen=True)
class Finding:
    """Whether a requirement is met."""

    clause: str
    why: str | None  # the reason if it is not met

    def __str__(self) -> str:
        return f"ok      {self.clause}" if self.why is None else f"failed  {self.clause}: {self.why}"


def findings(method: type[Method]) -> Iterator[Finding]:
    """Check each requirement in CLAUSES."""
    for clause, attempt in CLAUSES.items():
        why = None
        try:
            with torch.no_grad():
                attempt(method)
        except (Broken, UnitError) as error:
            why = str(error)
        except (Exception, SystemExit, GeneratorExit) as error:
            why = place_of(error, file_of(method))
        yield Finding(clause, why)


def gives_directions(method: type[Method]) -> None:
    """Each direction is a gradient or a float32 tensor [S, P], finite, on a one-head and a multi-head stream."""
    for stream in ("permuted-digits", "split-digits"):
        cell = _cell(method, [0, 1], stream)
        inner = cell.method.direction

        def direction(net, batch, inner=inner):
            given = inner(net, batch)
            _check_direction(given, net.theta)
            return given

        cell.method.direction = direction
        _trained(cell)


def keeps_seeds_apart(method: type[Method]) -> None:
    """Seeds that train together learn the same as each seed alone, up to rounding."""
    together = _trained(_cell(method, [0, 1, 2]))
    for index in range(3):
        alone = _trained(_cell(method, [index]))
        if not (alone[0] - together[index]).abs().max() < ROUNDING:
            raise Broken(
                f"seed {index} trained with other seeds differs from seed {index} trained alone; treat the rows of "
                "tensors [S, ...] independently: no sums, means or maxima over dimension 0, and random numbers only "
                "from self.problem.random"
            )


def repeats_itself(method: type[Method]) -> None:
    """The same run twice gives the same parameters, bit for bit."""
    if not torch.equal(_trained(_cell(method, [0, 1])), _trained(_cell(method, [0, 1]))):
        raise Broken(
            "two equal runs differ; draw random numbers only from self.problem.random, and store nothing in the class "
            "or the module"
        )


def goes_on(method: type[Method]) -> None:
    """A run that is resumed from state() after any phase ends like one that was never stopped."""
    whole, kept = _cell(method, [0, 1]), []
    end = _trained(whole, lambda cell: kept.append((cell.phase, deepcopy(cell.outcomes), _stored(cell))))
    for phase, outcomes, tensors in kept:
        later = _cell(method, [0, 1])
        later.restore(phase, outcomes, tensors)
        if not torch.equal(_trained(later), end):
            raise Broken(
                f"a run resumed after task {phase} ends differently; state() must return every tensor that later tasks "
                "need, and restore() must restore all of them"
            )


def sees_no_future(method: type[Method]) -> None:
    """What is learned does not depend on test data or on later tasks."""
    phases = method.phases(SMALL["tasks"])
    shown = max(1, len(phases) - 1)
    past = [task for phase in phases[:shown] for task in phase]
    thetas = []
    for change in (False, True):
        cell, reached = _cell(method, [0, 1], "split-digits", past=past if change else None), {}
        _trained(cell, lambda cell: reached.setdefault(cell.phase, cell.net.theta.clone()))
        thetas.append(reached[shown])
    if not torch.equal(*thetas):
        raise Broken(
            "what it learns depends on test data or on later tasks; use only the batches that direction() gets, and "
            "recent.take() and recent.labels"
        )


def learns(method: type[Method]) -> None:
    """The accuracy on a task directly after learning it is well above chance."""
    cell = _cell(method, [0, 1], "permuted-digits", TAUGHT)
    _trained(cell)
    chance = 1 / cell.streams[0].classes
    for outcome in cell.outcomes:
        if outcome.diverged:
            raise Broken(
                f"its parameters became NaN or infinite in task {outcome.diverged['task'] + 1}; is its direction too "
                "long? try a smaller learning_rate"
            )
        least = min(row[task] for task, row in enumerate(outcome.accuracy_matrix))
        if least < BETTER_THAN_CHANCE * chance:
            raise Broken(
                f"the accuracy on a task directly after learning it is {100 * least:.0f} %, and chance is "
                f"{100 * chance:.0f} %; is its direction the gradient, not its negative? the engine subtracts it"
            )


def checks_settings(method: type[Method]) -> None:
    """Each numeric setting of the method has a range."""
    values = settings_for(method.id, "permuted-digits", None, method.Settings, method.stream_settings)
    for name in method.Settings.model_fields.keys() - Settings.model_fields.keys():
        number = isinstance(getattr(values, name), int | float) and not isinstance(getattr(values, name), bool)
        if number and _taken(method, name, "-1e300") and _taken(method, name, "1e300"):
            raise Broken(f"its setting '{name}' has no range; give it one, as {name}: float = Field(0.1, ge=0)")


CLAUSES: dict[str, Callable[[type[Method]], None]] = {
    "its directions are gradients or finite tensors [S, P]": gives_directions,
    "seeds that train together are independent": keeps_seeds_apart,
    "the same run twice gives the same numbers": repeats_itself,
    "a stopped run resumes exactly after every task": goes_on,
    "it uses no test data and no later task": sees_no_future,
    "it learns: better than chance on each new task": learns,
    "its settings refuse values out of range": checks_settings,
}


def _cell(
    method: type[Method],
    seeds: list[int],
    stream: str = "permuted-digits",
    changes: dict = SMALL,
    past: list[int] | None = None,
) -> Cell:
    """An untrained cell. past: if given, all other tasks and all test sets come from other seeds."""
    settings = settings_for(method.id, stream, changes, method.Settings, method.stream_settings)
    streams = [_stream(stream, seed, settings.tasks, settings.train_examples) for seed in seeds]
    if past is not None:
        others = [_stream(stream, seed + 100, settings.tasks, settings.train_examples) for seed in seeds]
        streams = [_altered(*pair, past) for pair in zip(streams, others, strict=True)]
    return Cell(method, streams, settings, "cpu")


@cache
def _stream(stream: str, seed: int, tasks: int, train_examples: int) -> Stream:
    return build(stream, seed, tasks, train_examples)


def _altered(stream: Stream, other: Stream, past: list[int]) -> Stream:
    train = [(stream if task in past else other).train[task] for task in range(len(stream.train))]
    return replace(stream, train=train, test=other.test, benchmark=other.benchmark)


def _trained(cell: Cell, keep: Callable[[Cell], None] = lambda cell: None) -> Tensor:
    """Train the cell and return its parameters [S, P]."""
    cell.train(lambda *progress: None, keep)
    return cell.net.theta.clone()


def _stored(cell: Cell) -> dict[str, Tensor]:
    """The cell's state, written and read like that of a run."""
    state = cell.state()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise Broken(
                f"state() returns {type(value).__name__} as '{name.removeprefix('method.')}'; return tensors, "
                "as torch.tensor(number)"
            )
    try:
        return safetensors.torch.load(safetensors.torch.save(state))
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise Broken(f"state() returns tensors that cannot be saved ({reason}); return copies: value.clone()") from None


def _check_direction(given: Any, theta: Tensor) -> None:
    wrong = wrong_direction(given, theta)
    if wrong:
        raise Broken(wrong)
    values = given if isinstance(given, Tensor) else given.dense()
    if not values.isfinite().all():
        raise Broken("direction() returns numbers that are infinite or NaN; is something divided by 0?")


def _taken(method: type[Method], name: str, value: str) -> bool:
    try:
        settings_for(method.id, "permuted-digits", {name: value}, method.Settings, method.stream_settings)
    except InputError:
        return False
    return True
