"""The optimizers of torch.optim that can train a run. This module does not import PyTorch.

An element-wise update rule trains the S rows of theta [S, P] like S separate networks. Other rules mix the seeds.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmark.common.text import hint
from methods.arguments import arguments_of
from methods.errors import InputError
from methods.settings import Settings


class Row(NamedTuple):
    """An optimizer: its class in torch.optim and the source of its rule."""

    torch_class: str
    reference: str


OPTIMIZERS: dict[str, Row] = {
    "sgd": Row("SGD", "Robbins and Monro, 1951; with momentum, Polyak, 1964"),
    "adam": Row("Adam", "Kingma and Ba, ICLR 2015"),
    "adamw": Row("AdamW", "Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019"),
    "adamax": Row("Adamax", "Kingma and Ba, ICLR 2015, section 7.1"),
    "nadam": Row("NAdam", "Dozat, Incorporating Nesterov Momentum into Adam, ICLR 2016 workshop"),
    "radam": Row("RAdam", "Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020"),
    "rmsprop": Row("RMSprop", "Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012"),
    "adagrad": Row("Adagrad", "Duchi, Hazan and Singer, JMLR 2011"),
    "adadelta": Row("Adadelta", "Zeiler, ADADELTA, arXiv 1212.5701, 2012"),
}

REFUSED: dict[str, str] = {
    "lbfgs": "it evaluates the loss again within a step, and its line search mixes the parameters of all seeds",
    "adafactor": "it scales a step by the root mean square of all parameters, which mixes the seeds",
    "muon": "it orthogonalizes weight matrices, but the parameters of a seed are one row",
    "sparseadam": "it takes sparse gradients, but these are dense",
    "asgd": "its result is an average of past parameters, but the engine evaluates the current ones",
    "rprop": "it reads the learning rate only at its first step, so decay and schedules would have no effect",
}
"""Optimizers of torch.optim that cannot train a run, and why."""


def check(settings: Settings) -> None:
    """Raises InputError if the optimizer of the settings is unknown or refused, or would ignore the momentum."""
    name = settings.optimizer
    if name not in OPTIMIZERS:
        why = REFUSED.get(name.lower())
        told = f"unknown optimizer {name[:80]!r}: {hint(name, OPTIMIZERS)}"
        refused = f"optimizer '{name}' cannot train a run: {why}; choose from {', '.join(OPTIMIZERS)}"
        raise InputError(refused if why else told)
    if name != "sgd" and settings.momentum:
        raise InputError(
            f"setting 'momentum' is only for SGD, {name} would ignore its value {settings.momentum:g}: give --set "
            "momentum=0"
        )


def is_torchs(settings: Settings) -> bool:
    """Whether torch.optim takes the steps instead of the engine's own SGD."""
    return settings.optimizer != "sgd" or bool(arguments_of(settings, "optimizer"))
