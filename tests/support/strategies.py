"""Tiny streams of each kind, and strategies of Avalanche trained on them."""

from pathlib import Path

import avalanche.training.templates.base_sgd as base_sgd
import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates.base import BaseTemplate

from benchmark.records.checkpoint import Outcome
from benchmark.streams.build import Stream, build
from benchmark.training.avalanche import run
from benchmark.training.avalanche.requirements import CLASS, DOMAIN, TASK
from benchmark.training.avalanche.strategies import strategy_named
from methods.settings import settings_for

SMALL = {"hidden": 16, "epochs": 2, "learning_rate": 0.2}
DIGITS = """
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset
from avalanche.benchmarks import benchmark_from_datasets, with_task_labels
from avalanche.benchmarks.utils import ConstantSequence, TaskLabels, as_classification_dataset


def stream(seed, groups, heads=False):
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images).float() / 16, torch.tensor(labels)
    parts = {"train": [], "test": []}
    for number, classes in enumerate(groups):
        rows = torch.isin(labels, torch.tensor(classes)).nonzero()[:, 0]
        for name, mine in (("train", rows[:60]), ("test", rows[60:120])):
            data = TensorDataset(images[mine], labels[mine])
            data.targets = labels[mine].tolist()
            task = TaskLabels(ConstantSequence(number if heads else 0, len(mine)))
            made = as_classification_dataset(data).update_data_attribute("targets_task_labels", task)
            parts[name].append(made)
    return with_task_labels(benchmark_from_datasets(**parts))
"""


def tiny_streams(folder: Path) -> dict[str, Stream]:
    """A tiny stream of each kind, and one whose heads grow; the file of some of them lies in `folder`."""
    path = folder / "some_digits.py"
    path.write_text(DIGITS, encoding="utf-8")
    return {
        DOMAIN: build("permuted-digits", 0, 2, 60),
        TASK: build("split-digits", 0, 2, 60),
        CLASS: build(str(path), 0, 2, 0, None, (("groups", "[[0, 1], [2, 3]]"),)),
        "uneven": build(str(path), 0, 2, 0, None, (("groups", "[[0, 1], [2, 3, 4]]"), ("heads", True))),
    }


class Trained:
    """A strategy trained on a stream: its outcome, the library's strategy and the library's own metric."""

    def __init__(self, name: str, stream: Stream, **changes: object) -> None:
        method = strategy_named(f"avalanche:{name}")
        small = {"mem_size": 60} if "mem_size" in method.Settings.model_fields else {}
        tasks = {"tasks": len(stream.train)}
        small |= {"stage_2_epochs": 2} if name == "BiC" else {}
        settings = settings_for(method.id, stream.kind.id, SMALL | tasks | small | changes, method.Settings)
        with pytest.MonkeyPatch.context() as patch:
            self._watch(patch)
            self.outcome: Outcome = method.train(method, [stream], settings, "cpu", lambda *_: None)[0]
        self.parameters = torch.cat([one.detach().flatten() for one in self.strategy.model.parameters()])

    def _watch(self, patch: pytest.MonkeyPatch) -> None:
        make = run.Run.strategy

        def made(one: run.Run) -> BaseTemplate:
            self.strategy = make(one)
            return self.strategy

        patch.setattr(run.Run, "strategy", made)
        patch.setattr(base_sgd, "EvaluationPlugin", lambda: EvaluationPlugin(accuracy_metrics(experience=True)))

    def metric(self) -> dict[int, list[float]]:
        """The library's accuracy on each test set, evaluation after evaluation."""
        found = self.strategy.evaluator.get_all_metrics()
        return {int(name[-3:]): values for name, (_, values) in found.items() if "eval_phase" in name}

    def plugin(self, kind: type) -> object:
        """The strategy's plugin of a kind."""
        return next(one for one in self.strategy.plugins if isinstance(one, kind))
