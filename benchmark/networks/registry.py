"""The networks by name: their inputs, how they train and how they are built. This module does not import PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.common.randomness import Randomness
    from benchmark.networks.mlp import MLP
    from benchmark.networks.module import ModuleNetwork
    from benchmark.networks.resnet import ResNet18
    from methods.settings import Settings

    Net = MLP | ResNet18 | ModuleNetwork

Shape = tuple[int, ...]
"""The shape of one example: (D,) for a flat image, (channels, height, width), or another shape of the stream."""

Builder = Callable[..., "Net"]
"""(shape, heads, classes, settings, random) -> S networks, one for each generator of `random`."""


@dataclass(frozen=True)
class NetworkKind:
    """A kind of network. `build` makes networks of this kind for a stream."""

    id: str
    title: str
    takes: str  # the accepted examples, in words
    fits: Callable[[Shape], bool]  # whether it accepts examples of this shape
    build: Builder
    evaluation_batch: int  # test examples per batch on a CPU, chosen so that the activations stay in the cache
    step_cost: float  # cost of a step on a CPU relative to the MLP's; used only to order work and to estimate time
    stacked_on_cpu: bool  # whether the seeds of a unit train together on a CPU; if not, each seed is a unit
    recordable: bool = True  # whether a GPU can record its steps (benchmark/common/cuda_graphs.py)
    exact_on_gpu: bool = True  # whether a GPU repeats its numbers bit for bit
    default_for: Callable[[Shape], bool] = lambda shape: False  # whether it is the default for streams of this shape
    source: ModuleType | None = None  # the module with the function of an external network


def _mlp(shape: Shape, heads: int, classes: int, settings: Settings, random: Randomness) -> MLP:
    from benchmark.networks.mlp import MLP

    return MLP(math.prod(shape), settings.hidden, heads, classes, settings.dropout, random)


def _resnet18(shape: Shape, heads: int, classes: int, settings: Settings, random: Randomness) -> ResNet18:
    from benchmark.networks.resnet import ResNet18

    return ResNet18(heads, classes, settings.dropout, random)


def _is_cifar(shape: Shape) -> bool:
    return shape == (3, 32, 32)


_KINDS = (
    NetworkKind(
        id="mlp",
        title="MLP",
        takes="examples of any shape, flattened",
        fits=lambda shape: True,
        build=_mlp,
        evaluation_batch=2500,
        step_cost=1,
        stacked_on_cpu=True,
        default_for=lambda shape: len(shape) == 1,
    ),
    NetworkKind(
        id="resnet18",
        title="reduced ResNet-18",
        takes="examples of 3 x 32 x 32",
        fits=_is_cifar,
        build=_resnet18,
        evaluation_batch=125,
        step_cost=40,
        stacked_on_cpu=False,  # a single seed already keeps a core busy
        exact_on_gpu=False,  # convolutions sum in an order that varies
        default_for=_is_cifar,
    ),
)

NETWORKS: dict[str, NetworkKind] = {kind.id: kind for kind in _KINDS}


def default_network(shape: Shape) -> str:
    """The id of the default network for examples of this shape; '' if the suite has none."""
    return next((kind.id for kind in _KINDS if kind.default_for(shape)), "")


def title_of(network: str) -> str:
    """The title of a stream's default network."""
    return NETWORKS[network].title if network else "no default network: give --network"


def check_fits(kind: NetworkKind | None, shape: Shape, stream: str) -> NetworkKind:
    """The network, checked. Raises InputError if it is None or does not accept the examples of the stream."""
    shown = " x ".join(map(str, shape))
    if kind is None:
        raise InputError(
            f"{stream} has examples of {shown}, for which the suite has no default network: give --network mlp, "
            "which flattens them, or --network ./net.py (docs/networks.md)"
        )
    if not kind.fits(shape):
        raise InputError(
            f"--network: {kind.id} takes {kind.takes}, but {stream} has {shown}; "
            "give --network mlp, or a file of your own (docs/networks.md)"
        )
    return kind
