"""Avalanche's own strategies on the same experiences, part of the way through a run."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from functools import cache
from itertools import islice

import torch
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.classic import PermutedMNIST
from avalanche.benchmarks.utils import concat_datasets
from avalanche.training.plugins import AGEMPlugin, EWCPlugin, ReplayPlugin
from avalanche.training.storage_policy import ReservoirSamplingBuffer
from avalanche.training.supervised import Naive
from torch import nn
from torch.optim import SGD

from benchmark.common.randomness import Randomness
from benchmark.streams.build import Stream
from benchmark.training.avalanche.modules import module_for
from methods.settings import Settings
from tests.speed.ours import BATCH, PRIMED, TASKS, settings_of, streams


def plugin_of(method: str, settings: Settings, stream: Stream) -> list:
    """What makes Naive the method; its memories hold as many examples as the suite's."""
    a_task = settings.memory_per_class * stream.classes
    if method == "ewc":
        return [EWCPlugin(settings.ewc_lambda, mode="online", decay_factor=0.9)]
    if method == "agem":
        return [AGEMPlugin(patterns_per_experience=a_task, sample_size=settings.memory_batch)]
    if method == "er-reservoir":
        storage = ReservoirSamplingBuffer(max_size=a_task * TASKS)
        return [ReplayPlugin(storage.max_size, BATCH, settings.memory_batch, storage_policy=storage)]
    return []


@cache  # made once, timed in every turn
def strategy(method: str, stream_id: str, count: int, metrics: bool = False, classic: bool = False) -> Strategy:
    """The one strategy of this description."""
    with contextlib.redirect_stdout(io.StringIO()):
        return Strategy(method, stream_id, count, metrics, classic)


class Cut:
    """The first batches of a loader."""

    def __init__(self, loader, count: int) -> None:
        self.batches, self.count = iter(loader), count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator:
        return islice(self.batches, self.count)


class Strategy:
    """A strategy inside a task: `steps()` takes the steps that `renew()` laid out.

    metrics: with Avalanche's default metrics and progress output, else with none.
    classic: on Avalanche's classic Permuted MNIST, whose transforms run example by example.
    """

    def __init__(self, method: str, stream_id: str, count: int, metrics: bool, classic: bool) -> None:
        settings, self.count = settings_of(method, stream_id), count
        stream = streams(stream_id, 1, count * BATCH // (TASKS if method == "multitask" else 1))[0]
        model = module_for(stream, settings, Randomness([0], torch.device("cpu")))
        optimizer = SGD(model.parameters(), lr=settings.learning_rate, momentum=settings.momentum)
        self.plugins = plugin_of(method, settings, stream)
        self.strategy = Naive(
            model=model,
            optimizer=optimizer,
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=BATCH,
            plugins=list(self.plugins),
            **({} if metrics else {"evaluator": None}),
        )
        self.experiences = list(stream.benchmark.train_stream)
        if method == "multitask":
            union = concat_datasets([experience.dataset for experience in self.experiences])
            self.experiences = list(benchmark_from_datasets(train=[union]).train_stream)
        if classic:
            classic_stream = PermutedMNIST(2, seed=0, dataset_root=os.environ["BENCHMARK_DATA"])
            self.experiences = list(classic_stream.train_stream)
        primed = 0 if classic else min(PRIMED[stream_id], len(self.experiences) - 1)
        for experience in self.experiences[:primed]:
            self.strategy.train(experience)
        self._enter(self.experiences[-1] if classic else self.experiences[primed])

    def _enter(self, experience) -> None:
        # what strategy.train() does before its first step
        self.strategy.is_training, self.strategy.experience = True, experience
        self.strategy.model.train()
        self.strategy._before_training()
        self.strategy._before_training_exp()
        self._loader = self.strategy.dataloader

    def renew(self) -> None:
        """Lay out the next steps; drawing an epoch's order is not timed."""
        self.strategy.dataloader = Cut(self._loader, self.count)
        with contextlib.redirect_stdout(io.StringIO()):
            self.strategy._before_training_epoch()

    def steps(self) -> None:
        """Avalanche's own loop over them."""
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.strategy.training_epoch()

    def importances(self) -> None:
        """EWC's pass over the task at its end."""
        strategy = self.strategy
        self.plugins[0].compute_importances(
            strategy.model, strategy._criterion, strategy.optimizer, strategy.experience.dataset, strategy.device, BATCH
        )
