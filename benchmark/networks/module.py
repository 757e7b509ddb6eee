"""Any torch.nn.Module as a network of the suite: S independent copies, trained one after another by autograd."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from benchmark.common import memory
from benchmark.common.loading import place_of, shown
from benchmark.common.randomness import Randomness
from benchmark.common.seeded import drawing
from benchmark.networks.gradients import Parts
from benchmark.networks.heads import own_logits, shown_outputs, summed_loss
from methods.batch import Batch
from methods.errors import InputError, UnitError
from methods.method import Loss, Snapshot


def mean_cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
    """The mean cross-entropy of each seed's batch, [S]."""
    return torch.stack([F.cross_entropy(*pair) for pair in zip(outputs, batch.labels, strict=True)])


class ModuleNetwork:
    """S modules that a function makes, each with its own initial values, buffers and random numbers.

    theta: [S, P], the trainable parameters of each module in the order of nn.Module.named_parameters. The parameters of
    the modules are views of theta.
    A module draws random numbers (initial values, dropout) from the global generators of Python, NumPy and PyTorch. The
    suite seeds them before each call from the run's generator for that seed.
    Raises UnitError, one line, if a module fails or does not fit.
    """

    def __init__(
        self, make: Callable[[], object], heads: int, classes: int, random: Randomness, file: str | None = None
    ) -> None:
        """make: returns a new module with heads * classes outputs. file: the file that messages name."""
        self.heads, self.classes, self.random, self.file = heads, classes, random, file
        self._own_seeds = self._drawn_seeds(ahead=False)
        self.modules = [self._made(make, seed) for seed in self._own_seeds]
        named = [dict(_trainable(module)) for module in self.modules]
        self.shapes = {name: tuple(value.shape) for name, value in named[0].items()}
        self._check_alike(named)
        self.theta = torch.stack([torch.cat([value.detach().flatten() for value in each.values()]) for each in named])
        self.theta = self.theta.to(random.device)
        self.parameters = [list(each.values()) for each in named]
        for module in self.modules:
            module.to(random.device).train()
        for place, parameters in enumerate(self.parameters):
            for view, parameter in zip(self.views(self.theta), parameters, strict=True):
                parameter.data = view[place]

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The tensors of the modules outside theta, such as running statistics: '<index of the seed>.<name>'."""
        found = {}
        for place, module in enumerate(self.modules):
            frozen = [(name, value.detach()) for name, value in module.named_parameters() if not value.requires_grad]
            found |= {f"{place}.{name}": value for name, value in [*module.named_buffers(), *frozen]}
        return found

    def views(self, flat: Tensor) -> list[Tensor]:
        """Each parameter [S, *shape] as a view of a tensor [S, P]."""
        pieces = flat.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        return [piece.view(len(flat), *shape) for piece, shape in zip(pieces, self.shapes.values(), strict=True)]

    def gradient(self, batch: Batch, loss: Loss | None = None, every_head: bool = False) -> Parts:
        """Gradient of each seed's loss over its batch, in training mode. The default loss is the mean cross-entropy.

        The call updates buffers such as running statistics. With every_head, the loss gets the outputs [S, B, H, C] of
        all heads. Raises ValueError if the loss does not return [S] numbers that depend on the outputs.
        """
        with torch.enable_grad():
            outputs = self._forward(batch)
            total = summed_loss(loss or mean_cross_entropy, outputs, batch, self.heads, every_head)
            every = [parameter for parameters in self.parameters for parameter in parameters]
            with self._errors_located():
                values = torch.autograd.grad(total, every, allow_unused=True, materialize_grads=True)
        count = len(self.shapes)
        rows = [values[start : start + count] for start in range(0, len(values), count)]
        return Parts([_side_by_side(same) for same in zip(*rows, strict=True)], self.views)

    def outputs(self, batch: Batch, snapshot: Snapshot | None = None, every_head: bool = False) -> Tensor:
        """Outputs [S, B, C] of each example's own head, or [S, B, H, C] of all heads, detached from autograd.

        Without a snapshot, the network is in training mode; the call draws random numbers and does not change buffers.
        With a snapshot, the network of the snapshot is in evaluation mode; the call draws nothing from the run.
        """
        with torch.no_grad():
            outputs = self._forward(batch, keep=True) if snapshot is None else self._of_snapshot(batch, snapshot)
            return shown_outputs(outputs, batch, self.heads, every_head)

    def snapshot(self) -> Snapshot:
        """A copy of theta and of the buffers, for `outputs`."""
        kept = {f"buffer.{name}": value.detach().clone() for name, value in self.buffers.items()}
        return {"theta": self.theta.clone()} | kept

    def logits(self, images: Tensor, seed: int, head: int) -> Tensor:
        """Outputs [N, C] of one head of the network with index `seed` for images [N, ...], in evaluation mode."""
        return own_logits(self._evaluated(seed, images, {}), head, self.classes)

    def _forward(self, batch: Batch, keep: bool = False) -> Tensor:
        """Outputs [S, B, H * C] in training mode. keep: leave the buffers unchanged.

        The random numbers of a seed do not depend on the other seeds.
        """
        rows = []
        for module, images, seed in zip(self.modules, batch.images, self._drawn_seeds(ahead=True), strict=True):
            instead = {name: value.clone() for name, value in module.named_buffers()} if keep else {}
            with drawing(seed, self.random.device):
                rows.append(self._called(module, images, instead))
        return torch.stack(rows)

    def _of_snapshot(self, batch: Batch, snapshot: Snapshot) -> Tensor:
        """Outputs [S, B, H * C] of a snapshot, in evaluation mode."""
        theta, rows = self.views(snapshot["theta"]), []
        for place, images in enumerate(batch.images):
            start = f"buffer.{place}."
            instead = {name.removeprefix(start): value for name, value in snapshot.items() if name.startswith(start)}
            instead |= {name: view[place] for name, view in zip(self.shapes, theta, strict=True)}
            rows.append(self._evaluated(place, images, instead))
        return torch.stack(rows)

    def _evaluated(self, place: int, images: Tensor, instead: Mapping[str, Tensor]) -> Tensor:
        """Outputs [N, H * C] of one seed's module in evaluation mode."""
        module = self.modules[place].eval()
        try:
            with torch.no_grad(), drawing(self._own_seeds[place], self.random.device):
                return self._called(module, images, instead)
        finally:
            module.train()

    def _called(self, module: nn.Module, images: Tensor, instead: Mapping[str, Tensor]) -> Tensor:
        """The outputs of a module, checked. instead: parameters and buffers that replace its own, by name."""
        with self._errors_located():
            outputs = functional_call(module, dict(instead), (images,)) if instead else module(images)
        wanted = (len(images), self.heads * self.classes)
        if not isinstance(outputs, Tensor):
            self._refuse(f"the module returns a {type(outputs).__name__}; return a tensor {list(wanted)}")
        if outputs.shape != wanted or outputs.dtype != torch.float32:
            self._refuse(
                f"the module returns {outputs.dtype} {list(outputs.shape)} for examples {list(images.shape)}; return "
                f"torch.float32 {list(wanted)}: one row per example, with the number of outputs that the function gets"
            )
        if torch.is_grad_enabled() and not outputs.requires_grad:
            self._refuse(
                "the outputs do not depend on any parameter by differentiable operations; is something detached?"
            )
        return outputs

    def _drawn_seeds(self, ahead: bool) -> list[int]:
        """For each seed of the run, a new seed for the global generators, drawn from the run's generator."""
        drawn = self.random.uniform(1) if ahead else self.random.draw(1, dtype=torch.float64)
        return [int(number * 2**32) for number in drawn.flatten().tolist()]

    def _made(self, make: Callable[[], object], seed: int) -> nn.Module:
        with self._errors_located(), torch.enable_grad(), drawing(seed, torch.device("cpu")):
            module = make()
        if not isinstance(module, nn.Module):
            self._refuse(f"the function returns a {type(module).__name__}; return a torch.nn.Module")
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if nn.parameter.is_lazy(value):
                self._refuse(f"'{name}' has no shape yet; give lazy layers their sizes, or call the module once")
        wrong = [(name, value.dtype) for name, value in _trainable(module) if value.dtype != torch.float32]
        if wrong:
            self._refuse(f"the parameter '{wrong[0][0]}' is {wrong[0][1]}; the suite trains torch.float32")
        if not list(_trainable(module)):
            self._refuse("the module has no trainable parameter; give it one")
        _give_storage(module)
        return module

    def _check_alike(self, named: list[dict[str, nn.Parameter]]) -> None:
        parts = [[*module.parameters(), *module.buffers()] for module in self.modules]
        if len({id(part) for own in parts for part in own}) < sum(map(len, parts)):
            self._refuse("two calls return modules that share parameters or buffers; make all of them in the function")
        for each in named:
            if {name: tuple(value.shape) for name, value in each.items()} != self.shapes:
                self._refuse("two calls return modules with different parameters; their shapes must not be random")

    @contextmanager
    def _errors_located(self) -> Iterator[None]:
        """Inside the block, an exception of the module becomes a UnitError that names its file and line."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if memory.is_lack(error):
                raise
            raise UnitError(f"--network: {place_of(error, self.file)}; {_ADVICE}") from error

    def _refuse(self, what: str) -> NoReturn:
        raise UnitError(f"--network: {shown(self.file)}: {what}")


def _side_by_side(rows: Sequence[Tensor]) -> Tensor:
    """The tensors of S seeds as [S, ...]. The tensor of a single seed is not copied."""
    return torch.stack(rows) if len(rows) > 1 else rows[0][None]


_ADVICE = "finished runs are recorded; python -m benchmark check-network may tell more"


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The trainable parameters by name. Frozen parameters keep their initial values and are not in theta."""
    return ((name, value) for name, value in module.named_parameters() if value.requires_grad)


def _give_storage(module: nn.Module) -> None:
    """Give each buffer contiguous memory of its own, which safetensors requires. Shared buffers stay shared."""
    own: dict[int, Tensor] = {}
    for part in module.modules():
        for name, value in list(part.named_buffers(recurse=False, remove_duplicate=False)):
            copy = own.setdefault(id(value), value.detach().clone(memory_format=torch.contiguous_format))
            setattr(part, name, copy)
