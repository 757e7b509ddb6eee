"""One seed of one of Avalanche's strategies, trained by the library's own loop.

The strategy sees the same experiences as the suite's methods, in the same order of batches unless it makes loaders
of its own, on the same network with the same initial parameters. Nothing is kept on the way.
"""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

import contextlib
import copy
import io
import time
import traceback
import warnings
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch
from avalanche.benchmarks import CLScenario, benchmark_from_datasets, with_classes_timeline, with_task_labels
from avalanche.benchmarks.utils.classification_dataset import _as_taskaware_supervised_classification_dataset
from avalanche.training.templates import SupervisedTemplate

from benchmark.common.randomness import Randomness
from benchmark.common.seeded import seeded
from benchmark.networks.registry import NetworkKind
from benchmark.records.checkpoint import Outcome
from benchmark.streams.build import Stream
from benchmark.training.avalanche.arguments import GIVEN, parameters
from benchmark.training.avalanche.callbacks import Counter, Diverged, SameOrder, Watch
from benchmark.training.avalanche.modules import module_for, network_for
from benchmark.training.engine import network_of
from benchmark.training.optimizers import made
from methods.errors import InputError, UnitError
from methods.method import Problem
from methods.settings import Settings

if TYPE_CHECKING:
    from benchmark.training.avalanche.strategies import AvalancheStrategy

Report = Callable[[int, int, int], None]
"""As in benchmark.training.engine."""

_OPTIONAL = {
    "feature_extractor",
    "classifier",
    "input_size",
    "n_classes",
    "p_size",
    "cwr_layer_name",
    "buffer_transform",
}
"""What a strategy is given only where its constructor names it."""


class Trained:
    """A base of methods that are trained by the library's own loop, one seed after the other."""

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
        """As benchmark.training.engine.train; nothing is kept, so a seed that was killed begins anew.

        Raises InputError where the strategy does not fit a stream, and UnitError with what the library raised.
        """

        def reporter(index: int) -> Report:
            return lambda step, steps, phase: report(index * steps + step, len(streams) * steps, phase)

        for stream in streams:
            method.check_fit(settings, stream)
        runs = [Run(method, stream, settings, device, reporter(i), network) for i, stream in enumerate(streams)]
        return [run.outcome() for run in runs]


class Run:
    """One seed of a strategy on its stream."""

    def __init__(
        self,
        method: type[AvalancheStrategy],
        stream: Stream,
        settings: Settings,
        device: str,
        report: Report,
        network: NetworkKind | None = None,
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
        patched = self.method.patched(self.method.strategy.__name__)
        with seeded(self.stream.seed), contextlib.redirect_stdout(io.StringIO()), silent, patched:
            try:
                self._fill(outcome)
            except Diverged as place:
                outcome.status, outcome.diverged = "diverged", {"task": place.task, "step": place.step}
            except (InputError, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # of the library, on a combination that a person asked for
                raise UnitError(f"{self.method.id} failed on {self.stream.kind.id}: {_said(error)}") from error
        outcome.seconds = time.perf_counter() - started
        return outcome

    def _fill(self, outcome: Outcome) -> None:
        counter = Counter()
        strategy, benchmark = self.strategy(), _task_aware(self.stream)
        counter.join(strategy)
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

    def strategy(self) -> SupervisedTemplate:
        """The library's strategy with its network, its optimizer and its arguments."""
        settings, known = self.settings, parameters(self.method.strategy)
        free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        given = self._given()
        # Avalanche's strategies pass on what their base class takes
        wanted = {name: value for name, value in given.items() if name in known or (free and name not in _OPTIONAL)}
        fields = type(settings).model_fields
        own = {name: getattr(settings, name) for name in known if name in fields and name not in GIVEN}
        return self.method.strategy(**wanted, **own)

    def _given(self) -> dict[str, object]:
        """What the suite gives to strategies."""
        settings, stream = self.settings, self.stream
        module = module_for(stream, settings, self.random, self.network)
        if "feature_extractor" in parameters(self.method.strategy) and not hasattr(module, "features"):
            raise InputError(
                f"{self.method.id} needs a network that is cut into features and classifier: use one of the suite's own"
            )
        model = network_for(self.method.strategy.__name__, module)
        lengths = [sum(len(stream.train[task]) for task in tasks) for tasks in self.phases]
        steps = [-(-length // settings.batch_size) * settings.epochs for length in lengths]
        return {
            "model": model,
            "optimizer": made(settings, model.parameters()),
            "criterion": _criterion(self.method.strategy),
            "feature_extractor": getattr(module, "features", None),
            "classifier": getattr(module, "classifier", None),
            "cwr_layer_name": "classifier",
            "buffer_transform": None,
            "input_size": list(stream.train[0].image_shape),
            "train_mb_size": settings.batch_size,
            "train_epochs": settings.epochs,
            "device": self.device,
            "eval_mb_size": self.network.evaluation_batch,
            "evaluator": None,
            "eval_every": -1,
            "plugins": [SameOrder(self.random), Watch(steps, self.report)],
        }


def _criterion(strategy: type[SupervisedTemplate]) -> object:
    """The strategy's own loss, a new one; cross-entropy where it has none."""
    parameter = parameters(strategy).get("criterion")
    own = parameter is not None and parameter.default is not parameter.empty
    return copy.deepcopy(parameter.default) if own else torch.nn.CrossEntropyLoss()


def _said(error: Exception) -> str:
    """An error of the library on one line: its text, or its place in the library where it has none."""
    text = " ".join(str(error).split())[:300]
    if not text:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"at line {last.lineno} of {Path(last.filename).name}, in {last.name}"
    return f"{type(error).__name__}: {text}"


def _task_aware(stream: Stream) -> CLScenario:
    """The stream's benchmark with all that strategies ask of it: sets of examples by task, classes seen so far."""
    parts = {
        name: [_as_taskaware_supervised_classification_dataset(experience.dataset) for experience in experiences]
        for name, experiences in stream.benchmark.streams.items()
    }
    benchmark = with_classes_timeline(with_task_labels(benchmark_from_datasets(**parts)))
    classes = [sorted(set(images.targets.tolist())) for images in stream.train]
    order = SimpleNamespace(n_classes_per_exp=[len(each) for each in classes], classes_order=[*chain(*classes)])
    for experience in benchmark.train_stream:
        experience.benchmark = order  # ICaRL reads it, as nc_benchmark once gave it
    return benchmark
