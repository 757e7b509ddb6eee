"""Repairs of avalanche-lib 0.6.0, in force while a strategy that needs one is trained. Each has a test.

requirements.py says in words what each of them changes.
"""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from unittest import mock

import torch
from avalanche.training.plugins import BiCPlugin, MIRPlugin, SynapticIntelligencePlugin, bic
from avalanche.training.utils import cycle
from torch import nn
from torch.utils.data import DataLoader


class Patched:
    """A base of methods that are trained under a patch: so its code is in the digest of their code."""

    @staticmethod
    @contextmanager
    def patched(name: str) -> Iterator[None]:
        """Inside the block the strategy `name` of the library is repaired, if it needs it."""
        patch = PATCHES.get(name)
        if patch is None:
            yield
        else:
            with patch():
                yield


def si_keeps_copies() -> AbstractContextManager[object]:
    """SynapticIntelligence: extract_weights gives copies.

    The library gives views of the live parameters, so old and new parameters are always equal: the path integral of
    Zenke et al. (2017, equation 3), and with it every importance, stays 0.
    """

    @torch.no_grad()
    def extract_weights(model: nn.Module, target: dict, excluded_parameters: set[str]) -> None:
        for name, parameter in SynapticIntelligencePlugin.allowed_parameters(model, excluded_parameters):
            target[name].data = parameter.detach().cpu().flatten().clone()

    return mock.patch.object(SynapticIntelligencePlugin, "extract_weights", staticmethod(extract_weights))


def mir_replays_every_label() -> AbstractContextManager[object]:
    """MIR: the memory that is replayed in the next task holds all labels.

    The library leaves out the labels of the last batch, as in its streams that is the task at hand; where a task is
    one experience it leaves out the whole task before, or, where labels come again in every task, all tasks.
    """

    def after_training_exp(plugin: MIRPlugin, strategy: object, **others: object) -> None:
        plugin.storage_policy.update(strategy, **others)
        memory = plugin.storage_policy.buffer
        loader = DataLoader(memory, batch_size=plugin.subsample, shuffle=True)
        plugin.replay_loader = cycle(loader) if len(memory) > plugin.batch_size_mem else None

    return mock.patch.object(MIRPlugin, "after_training_exp", after_training_exp)


def bic_sets_its_dataset() -> AbstractContextManager[object]:
    """BiC: the examples that it holds out are taken from a copy of the experience whose dataset can be set.

    MultiStepLR of PyTorch has lost the argument `verbose`, which the library passes.
    """
    hold_out, schedule = BiCPlugin.before_train_dataset_adaptation, bic.MultiStepLR

    def before_train_dataset_adaptation(plugin: BiCPlugin, strategy: object, **others: object) -> None:
        experience = copy.copy(strategy.experience)
        experience.__class__ = _settable(type(experience))
        strategy.experience = experience
        hold_out(plugin, strategy, **others)

    patches = ExitStack()
    name = "before_train_dataset_adaptation"
    patches.enter_context(mock.patch.object(BiCPlugin, name, before_train_dataset_adaptation))
    patches.enter_context(
        mock.patch.object(bic, "MultiStepLR", lambda *given, verbose, **others: schedule(*given, **others))  # noqa: PLW0108  (it drops `verbose`)
    )
    return patches


def _settable(kind: type) -> type:
    """The class of an experience, with a dataset that can be set."""
    dataset = property(lambda one: one._dataset, lambda one, value: setattr(one, "_dataset", value))
    return type(kind.__name__, (kind,), {"dataset": dataset})


PATCHES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "BiC": bic_sets_its_dataset,
    "SynapticIntelligence": si_keeps_copies,
    "MIR": mir_replays_every_label,
}
