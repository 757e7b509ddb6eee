"""What the suite asks of every method, tried on a small stream of handwritten digits."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache

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
"""Largest difference of a parameter after some 20 steps in float32 that other company may make."""
BETTER_THAN_CHANCE = 2.0
"""How many times chance the accuracy on a task just learned must be."""


class Broken(Exception):
    """A clause does not hold: why, and what to do."""


@dataclass(frozen=True)
class Finding:
    """Whether a clause holds, and if not why."""

    clause: str
    why: str | None

    def __str__(self) -> str:
        return f"ok      {self.clause}" if self.why is None else f"failed  {self.clause}: {self.why}"


def findings(method: type[Method]) -> Iterator[Finding]:
    """Each clause of CLAUSES tried on a method, one by one."""
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
    """A gradient or a float32 tensor [S, P], all finite, at every step; with one head and with one a task."""
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
    """Seeds side by side learn what each learns alone, up to rounding."""
    together = _trained(_cell(method, [0, 1, 2]))
    for index in range(3):
        alone = _trained(_cell(method, [index]))
        if not (alone[0] - together[index]).abs().max() < ROUNDING:
            raise Broken(
                f"seed {index} learns otherwise beside others than alone; work row by row on tensors [S, ...]: no "
                "sums, means or maxima over dimension 0, and random numbers from self.problem.random"
            )


def repeats_itself(method: type[Method]) -> None:
    """The same run twice gives the same parameters, bit for bit."""
    if not torch.equal(_trained(_cell(method, [0, 1])), _trained(_cell(method, [0, 1]))):
        raise Broken(
            "two equal runs differ; draw random numbers from self.problem.random alone, and keep nothing "
            "in the class or the module"
        )


def goes_on(method: type[Method]) -> None:
    """A run taken up from what state() gave after any phase ends as one that was never stopped."""
    whole, kept = _cell(method, [0, 1]), []
    end = _trained(whole, lambda cell: kept.append((cell.phase, deepcopy(cell.outcomes), _stored(cell))))
    for phase, outcomes, tensors in kept:
        later = _cell(method, [0, 1])
        later.restore(phase, outcomes, tensors)
        if not torch.equal(_trained(later), end):
            raise Broken(
                f"a run taken up after task {phase} ends otherwise; state() must give every tensor that "
                "outlives a task, and restore() take them all back"
            )


def sees_no_future(method: type[Method]) -> None:
    """Other test data and other tasks to come change nothing that is learned before."""
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
            "what it learns changes with test data or with tasks still to come; use the batches that "
            "direction() is given, and what recent.take() and recent.labels give"
        )


def learns(method: type[Method]) -> None:
    """The accuracy on a task just learned is well above chance."""
    cell = _cell(method, [0, 1], "permuted-digits", TAUGHT)
    _trained(cell)
    chance = 1 / cell.streams[0].classes
    for outcome in cell.outcomes:
        if outcome.diverged:
            raise Broken(
                f"its parameters are no numbers any more in task {outcome.diverged['task'] + 1}; is "
                "its direction too long? try a smaller learning_rate"
            )
        least = min(row[task] for task, row in enumerate(outcome.accuracy_matrix))
        if least < BETTER_THAN_CHANCE * chance:
            raise Broken(
                f"after a task its accuracy on it is {100 * least:.0f} %, and chance is "
                f"{100 * chance:.0f} %; does its direction point uphill? the engine steps against it"
            )


def checks_settings(method: type[Method]) -> None:
    """Its own settings refuse what is no number where one is meant, and numbers out of any range."""
    values = settings_for(method.id, "permuted-digits", None, method.Settings, method.stream_settings)
    for name in method.Settings.model_fields.keys() - Settings.model_fields.keys():
        number = isinstance(getattr(values, name), int | float) and not isinstance(getattr(values, name), bool)
        if number and _taken(method, name, "-1e300") and _taken(method, name, "1e300"):
            raise Broken(f"its setting '{name}' takes any number; give it a range, as {name}: float = Field(0.1, ge=0)")


CLAUSES: dict[str, Callable[[type[Method]], None]] = {
    "its directions are gradients or finite tensors [S, P]": gives_directions,
    "seeds trained side by side do not feel each other": keeps_seeds_apart,
    "the same run twice gives the same numbers": repeats_itself,
    "a stopped run goes on exactly after every task": goes_on,
    "it sees no test data and no task before its turn": sees_no_future,
    "it learns: better than chance on each new task": learns,
    "its settings refuse what is out of range": checks_settings,
}


def _cell(
    method: type[Method],
    seeds: list[int],
    stream: str = "permuted-digits",
    changes: dict = SMALL,
    past: list[int] | None = None,
) -> Cell:
    """An untrained cell; with `past` only these tasks are the seeds' own, and no test set is."""
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
    """The parameters [S, P] at the end of its training."""
    cell.train(lambda *progress: None, keep)
    return cell.net.theta.clone()


def _stored(cell: Cell) -> dict[str, Tensor]:
    """The cell's state, written and read as a run's is."""
    state = cell.state()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise Broken(
                f"state() gives {type(value).__name__} as '{name.removeprefix('method.')}'; give tensors, "
                "as torch.tensor(number)"
            )
    try:
        return safetensors.torch.load(safetensors.torch.save(state))
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise Broken(f"state() gives tensors that cannot be written ({reason}); give copies: value.clone()") from None


def _check_direction(given: object, theta: Tensor) -> None:
    wrong = wrong_direction(given, theta)
    if wrong:
        raise Broken(wrong)
    values = given if isinstance(given, Tensor) else given.dense()
    if not values.isfinite().all():
        raise Broken("direction() gives numbers that are infinite or NaN; is something divided by 0?")


def _taken(method: type[Method], name: str, value: str) -> bool:
    try:
        settings_for(method.id, "permuted-digits", {name: value}, method.Settings, method.stream_settings)
    except InputError:
        return False
    return True
