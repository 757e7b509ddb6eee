"""Avalanche's own strategies as rows of the table: --method avalanche:LwF trains by Avalanche's own loop.

The strategy sees the same experiences as the suite's methods, in the same order of batches unless it makes loaders
of its own, on the same network with the same initial parameters. One seed at a time; nothing is kept on the way.
"""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

import contextlib
import difflib
import inspect
import io
import time
import types
import typing
import warnings
from collections.abc import Callable
from functools import cache

import avalanche.training.supervised as supervised
import torch
from avalanche.benchmarks import CLScenario, benchmark_from_datasets, with_classes_timeline, with_task_labels
from avalanche.benchmarks.utils.classification_dataset import _as_taskaware_supervised_classification_dataset
from avalanche.training.supervised import JointTraining
from avalanche.training.templates import SupervisedTemplate
from pydantic import Field, create_model

from benchmark.common.randomness import Randomness
from benchmark.common.seeded import seeded
from benchmark.networks.registry import NetworkKind
from benchmark.records.checkpoint import Outcome
from benchmark.streams.build import Stream
from benchmark.streams.names import AVALANCHE
from benchmark.training.avalanche.callbacks import Counter, Diverged, SameOrder, Watch
from benchmark.training.avalanche.modules import module_for
from benchmark.training.engine import network_of
from benchmark.training.optimizers import made
from benchmark.training.schedules import schedule_of
from methods.errors import InputError
from methods.method import Method, Problem
from methods.settings import Settings

ALIASES = {"SI": "SynapticIntelligence"}
Report = Callable[[int, int, int], None]
"""As in benchmark.training.engine."""

# what the suite gives to a strategy, so nobody else does
_GIVEN = {
    "self",
    "model",
    "optimizer",
    "criterion",
    "train_mb_size",
    "train_epochs",
    "eval_mb_size",
    "device",
    "plugins",
    "evaluator",
    "eval_every",
    "feature_extractor",
    "classifier",
    "input_size",
}


class AvalancheStrategy(Method):
    """A strategy of avalanche.training.supervised; what it does is told by its own documentation.

    Subclasses are made by `strategy_named`: `strategy` is Avalanche's class, `Settings` has its arguments.
    """

    memoryless = None
    strategy: type[SupervisedTemplate]

    @classmethod
    def phases(cls, tasks: int) -> list[tuple[int, ...]]:
        """One task after another; all at once for joint training."""
        return [tuple(range(tasks))] if issubclass(cls.strategy, JointTraining) else super().phases(tasks)

    @staticmethod
    def train(
        method: type[AvalancheStrategy],
        streams: list[Stream],
        settings: Settings,
        device: str,
        report: Report,
        begun: None = None,
        keep: object = None,
        network: NetworkKind | None = None,
    ) -> list[Outcome]:
        """As benchmark.training.engine.train, one seed after the other.

        Nothing is kept, so a run that was killed begins anew.

        Raises InputError with what the strategy raised where it cannot be trained on these streams.
        """

        if not settings.shuffle:
            raise InputError(f"setting 'shuffle' cannot be False for {method.id}: Avalanche shuffles its own loaders")
        _check_descent(method, settings)

        def reporter(index: int) -> Report:
            return lambda step, steps, phase: report(index * steps + step, len(streams) * steps, phase)

        runs = [_Run(method, stream, settings, device, reporter(i), network) for i, stream in enumerate(streams)]
        return [run.outcome() for run in runs]


def _check_descent(method: type[AvalancheStrategy], settings: Settings) -> None:
    if schedule_of(settings) is not None:
        raise InputError(f"{method.id} cannot have a schedule: Avalanche's loop has one learning rate a task")
    if settings.optimizer_lifetime != Settings.model_fields["optimizer_lifetime"].default:
        raise InputError(f"{method.id} cannot have an optimizer_lifetime: Avalanche keeps one optimizer for the run")


class _Run:
    """One seed of a strategy on its stream."""

    def __init__(
        self,
        method: type[AvalancheStrategy],
        stream: Stream,
        settings: Settings,
        device: str,
        report: Report,
        network: NetworkKind | None,
    ) -> None:
        self.network = network_of(settings, stream, network)
        self.method, self.stream, self.settings, self.report = method, stream, settings, report
        self.device, self.random = torch.device(device), Randomness([stream.seed], torch.device("cpu"))
        self.phases = method.phases(len(stream.train))

    def outcome(self) -> Outcome:
        """Train through the stream and evaluate the tasks met after each phase."""
        outcome, started = Outcome(), time.perf_counter()
        # What the library says about itself, some of it under filters of its own, is kept from the terminal.
        silent = warnings.catch_warnings(record=True, action="ignore")
        with seeded(self.stream.seed), contextlib.redirect_stdout(io.StringIO()), silent:
            try:
                self._fill(outcome)
            except Diverged as place:
                outcome.status, outcome.diverged = "diverged", {"task": place.task, "step": place.step}
            except (InputError, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # of the library, on a combination that a person asked for
                said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                raise InputError(f"{self.method.id} failed on {self.stream.kind.id}: {said}") from error
        outcome.seconds = time.perf_counter() - started
        return outcome

    def _fill(self, outcome: Outcome) -> None:
        counter = Counter()
        strategy, benchmark = self._strategy(counter), _task_aware(self.stream)
        problem = Problem(1, len(self.stream.train), self.stream.classes, self.stream.shape, self.device, self.random)
        rates = self.method(self.settings, problem)
        train, test = list(benchmark.train_stream), list(benchmark.test_stream)

        def accuracy(task: int) -> float:
            strategy.eval(test[task], num_workers=0)
            return counter.share()

        for phase, tasks in enumerate(self.phases):
            for group in strategy.optimizer.param_groups:
                group["lr"] = rates.learning_rate(phase)
            data = [train[task] for task in tasks]
            strategy.train(data if len(data) > 1 else data[0], num_workers=0)
            outcome.add_rows(len(tasks), len(test), accuracy)

    def _strategy(self, counter: Counter) -> SupervisedTemplate:
        settings, known = self.settings, _parameters(self.method.strategy)
        model = module_for(self.stream, settings, self.random, self.network)
        if "feature_extractor" in known and not hasattr(model, "features"):
            raise InputError(
                f"{self.method.id} needs a network that is cut into features and classifier: use one of the suite's own"
            )
        optimizer = made(settings, model.parameters())
        lengths = [sum(len(self.stream.train[task]) for task in tasks) for tasks in self.phases]
        steps = [-(-length // settings.batch_size) * settings.epochs for length in lengths]
        given = {
            "model": model,
            "optimizer": optimizer,
            "criterion": torch.nn.CrossEntropyLoss(),
            "feature_extractor": getattr(model, "features", None),
            "classifier": getattr(model, "classifier", None),
            "input_size": list(self.stream.train[0].image_shape),
            "train_mb_size": settings.batch_size,
            "train_epochs": settings.epochs,
            "device": self.device,
            "eval_mb_size": self.network.evaluation_batch,
            "evaluator": None,
            "eval_every": -1,
            "plugins": [SameOrder(self.random), Watch(steps, self.report), counter],
        }
        fields = type(settings).model_fields
        own = {name: getattr(settings, name) for name in known if name in fields and name not in _GIVEN}
        # Avalanche's strategies pass on what their base class takes
        free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        optional = {"feature_extractor", "classifier", "input_size"}
        wanted = {name: value for name, value in given.items() if name in known or (free and name not in optional)}
        return self.method.strategy(**wanted, **own)


def _task_aware(stream: Stream) -> CLScenario:
    """The stream's benchmark with all that strategies ask of it: sets of examples by task, classes seen so far."""
    parts = {
        name: [_as_taskaware_supervised_classification_dataset(experience.dataset) for experience in experiences]
        for name, experiences in stream.benchmark.streams.items()
    }
    return with_classes_timeline(with_task_labels(benchmark_from_datasets(**parts)))


@cache
def strategy_named(spec: str) -> type[AvalancheStrategy]:
    """The method of `avalanche:NAME`. Raises InputError where Avalanche has no such strategy, or it cannot be told."""
    known = {
        name: value
        for name, value in vars(supervised).items()
        if isinstance(value, type) and issubclass(value, SupervisedTemplate)
    }
    name = spec.removeprefix(AVALANCHE)
    name = ALIASES.get(name, name)
    if name not in known:
        lower = {one.lower(): one for one in known}
        near = difflib.get_close_matches(name.lower(), lower, 1)
        hint = f"did you mean '{AVALANCHE}{lower[near[0]]}'?" if near else f"it has {', '.join(sorted(known))}"
        raise InputError(f"--method: Avalanche has no strategy '{name}', {hint}")
    strategy = known[name]
    return type(
        f"Avalanche{name}",
        (AvalancheStrategy,),
        {
            "__module__": __name__,
            "__doc__": strategy.__doc__,
            "id": AVALANCHE + name,
            "title": f"{name} (Avalanche)",
            "reference": f"avalanche.training.supervised.{name}",
            "strategy": strategy,
            "Settings": _settings(strategy),
        },
    )


def _parameters(strategy: type[SupervisedTemplate]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(strategy.__init__).parameters)


def _settings(strategy: type[SupervisedTemplate]) -> type[Settings]:
    """The suite's settings and the strategy's own arguments, with its types and defaults."""
    fields = {}
    for name, parameter in _parameters(strategy).items():
        if name in _GIVEN or name in Settings.model_fields or parameter.kind is parameter.VAR_KEYWORD:
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        kind = _kind(parameter)
        if kind is not None:
            fields[name] = kind, Field(default, description=f"default of Avalanche's {strategy.__name__}")
    return create_model(f"{strategy.__name__}Settings", __base__=Settings, **fields)


def _kind(parameter: inspect.Parameter) -> object:
    """The numbers and text among what a parameter may be; None where a command line cannot give it."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        annotation = type(parameter.default)
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
    plain = [part for part in parts or (annotation,) if part in (int, float, bool, str, type(None))]
    return typing.Union[tuple(plain)] if plain and plain != [type(None)] else None  # noqa: UP007
