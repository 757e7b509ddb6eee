"""The networks by name: what each takes, how it is trained, and how it is built. Importing this loads no PyTorch."""

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
"""Of one example: (D,) for a flat image, else (channels, height, width) or whatever the stream gives."""

Builder = Callable[..., "Net"]
"""(shape, heads, classes, settings, random) -> networks of as many seeds as `random` has generators."""


@dataclass(frozen=True)
class NetworkKind:
    """A kind of network; a shape of examples, a number of heads and of classes a head make a network of it."""

    id: str
    title: str
    takes: str  # the examples that it takes, for people
    fits: Callable[[Shape], bool]  # whether it takes examples of this shape
    build: Builder
    evaluation_batch: int  # test examples at a time on a CPU: as many as keep the activations in the cache
    step_cost: float  # of a step on a CPU, in steps of the MLP; it only orders the work and scales the time left
    stacked_on_cpu: bool  # whether the seeds of a unit train together on a CPU; else each seed is a unit
    recordable: bool = True  # whether a GPU can record its steps (benchmark/common/cuda_graphs.py)
    exact_on_gpu: bool = True  # whether a GPU repeats its numbers bit for bit
    default_for: Callable[[Shape], bool] = lambda shape: False  # whether a stream of this shape has it by default
    source: ModuleType | None = None  # the module that holds the function of an external network


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
        stacked_on_cpu=False,  # one seed keeps a core busy already
        exact_on_gpu=False,  # convolutions are summed in another order each time
        default_for=_is_cifar,
    ),
)

NETWORKS: dict[str, NetworkKind] = {kind.id: kind for kind in _KINDS}


def default_network(shape: Shape) -> str:
    """The id of the network that a stream of such examples has by default; '' where none of the suite's does."""
    return next((kind.id for kind in _KINDS if kind.default_for(shape)), "")


def title_of(network: str) -> str:
    """What a stream's network is called."""
    return NETWORKS[network].title if network else "no network of its own: give --network"


def check_fits(kind: NetworkKind | None, shape: Shape, stream: str) -> NetworkKind:
    """The network, where it takes the examples of a stream. Raises InputError where it does not, or there is none."""
    shown = " x ".join(map(str, shape))
    if kind is None:
        raise InputError(
            f"{stream} has examples of {shown}, for which the suite has no default network: give --network mlp, "
            "which flattens them, or --network ./net.py (docs/networks.md)"
        )
    if not kind.fits(shape):
        raise InputError(
            f"--network: {kind.id} takes {kind.takes}, and {stream} has {shown}; "
            "give --network mlp, or a file of your own (docs/networks.md)"
        )
    return kind
