"""Any torch.nn.Module as a network of the suite: S independent copies, trained one after the other by autograd."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

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

    theta [S, P] holds the trainable parameters of each seed, in the order of nn.Module.named_parameters; the modules'
    parameters are views of it. Whatever a module draws (initial values, dropout) it draws from the global generators
    of Python, NumPy and PyTorch, which are seeded before each call from the run's own generator of that seed.
    Raises UnitError, one line, where the module does not fit or fails.
    """

    def __init__(
        self, make: Callable[[], object], heads: int, classes: int, random: Randomness, file: str | None = None
    ) -> None:
        """make: returns a new module for heads * classes outputs; file: the file to name where the module fails."""
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
        """All tensors of the modules that are not in theta, as running statistics: '<index of the seed>.<name>'."""
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
        """Gradient of each seed's loss, by default the mean cross-entropy of its batch; in training mode.

        It updates buffers, as running statistics. With every_head the loss is given the outputs [S, B, H, C] of all
        heads. Raises ValueError where the loss does not return [S] numbers that depend on the outputs.
        """
        with torch.enable_grad():
            outputs = self._forward(batch)
            total = summed_loss(loss or mean_cross_entropy, outputs, batch, self.heads, every_head)
            every = [parameter for parameters in self.parameters for parameter in parameters]
            with self._told():
                values = torch.autograd.grad(total, every, allow_unused=True, materialize_grads=True)
        count = len(self.shapes)
        rows = [values[start : start + count] for start in range(0, len(values), count)]
        return Parts([_side_by_side(same) for same in zip(*rows, strict=True)], self.views)

    def outputs(self, batch: Batch, snapshot: Snapshot | None = None, every_head: bool = False) -> Tensor:
        """Outputs [S, B, C] of each example's own head, or [S, B, H, C] of all heads; no gradient flows into them.

        Without a snapshot in training mode: new random numbers are drawn, and buffers stay as they are. With a snapshot
        in evaluation mode: of the network as it was, and nothing is drawn.
        """
        with torch.no_grad():
            outputs = self._forward(batch, keep=True) if snapshot is None else self._as_it_was(batch, snapshot)
            return shown_outputs(outputs, batch, self.heads, every_head)

    def snapshot(self) -> Snapshot:
        """A copy of theta and of the buffers, for `outputs`."""
        kept = {f"buffer.{name}": value.detach().clone() for name, value in self.buffers.items()}
        return {"theta": self.theta.clone()} | kept

    def logits(self, images: Tensor, seed: int, head: int) -> Tensor:
        """Outputs [N, C] of one head of the network of index `seed` for images [N, ...], in evaluation mode."""
        return own_logits(self._evaluated(seed, images, {}), head, self.classes)

    def _forward(self, batch: Batch, keep: bool = False) -> Tensor:
        """Outputs [S, B, H * C]; a seed's random numbers do not depend on the seeds beside it. keep: the buffers."""
        rows = []
        for module, images, seed in zip(self.modules, batch.images, self._drawn_seeds(ahead=True), strict=True):
            instead = {name: value.clone() for name, value in module.named_buffers()} if keep else {}
            with drawing(seed, self.random.device):
                rows.append(self._called(module, images, instead))
        return torch.stack(rows)

    def _as_it_was(self, batch: Batch, snapshot: Snapshot) -> Tensor:
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
        """What the module returns, with some parameters and buffers put in place of its own."""
        with self._told():
            outputs = functional_call(module, dict(instead), (images,)) if instead else module(images)
        wanted = (len(images), self.heads * self.classes)
        if not isinstance(outputs, Tensor):
            self._refuse(f"the module returns a {type(outputs).__name__}; return a tensor {list(wanted)}")
        if outputs.shape != wanted or outputs.dtype != torch.float32:
            self._refuse(
                f"the module returns {outputs.dtype} {list(outputs.shape)} for examples {list(images.shape)}; return "
                f"torch.float32 {list(wanted)}: the examples of the batch by the outputs that the function is given"
            )
        if torch.is_grad_enabled() and not outputs.requires_grad:
            self._refuse(
                "the outputs do not depend on a parameter by differentiable operations; is something detached?"
            )
        return outputs

    def _drawn_seeds(self, ahead: bool) -> list[int]:
        """A new seed of the global generators for each seed of the run, from its own generator."""
        drawn = self.random.uniform(1) if ahead else self.random.draw(1, dtype=torch.float64)
        return [int(number * 2**32) for number in drawn.flatten().tolist()]

    def _made(self, make: Callable[[], object], seed: int) -> nn.Module:
        with self._told(), torch.enable_grad(), drawing(seed, torch.device("cpu")):
            module = make()
        if not isinstance(module, nn.Module):
            self._refuse(f"the function returns a {type(module).__name__}; return a torch.nn.Module")
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if isinstance(value, nn.parameter.UninitializedTensorMixin):
                self._refuse(f"'{name}' has no shape yet; give lazy layers their sizes, or call the module once")
        wrong = [(name, value.dtype) for name, value in _trainable(module) if value.dtype != torch.float32]
        if wrong:
            self._refuse(f"the parameter '{wrong[0][0]}' is {wrong[0][1]}; the suite trains torch.float32")
        if not list(_trainable(module)):
            self._refuse("the module has no parameter to train")
        _give_storage(module)
        return module

    def _check_alike(self, named: list[dict[str, nn.Parameter]]) -> None:
        parts = [[*module.parameters(), *module.buffers()] for module in self.modules]
        if len({id(part) for own in parts for part in own}) < sum(map(len, parts)):
            self._refuse("two calls return modules that share parameters or buffers; make all of them in the function")
        for each in named:
            if {name: tuple(value.shape) for name, value in each.items()} != self.shapes:
                self._refuse("two calls return modules of different parameters; their shapes must not be random")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the module raises becomes a UnitError that names its file and line."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if memory.is_lack(error):
                raise
            raise UnitError(f"--network: {place_of(error, self.file)}; {_ADVICE}") from error

    def _refuse(self, what: str) -> None:
        raise UnitError(f"--network: {shown(self.file)}: {what}")


def _side_by_side(rows: Sequence[Tensor]) -> Tensor:
    """The rows of S seeds as [S, ...]; of one seed without a copy."""
    return torch.stack(rows) if len(rows) > 1 else rows[0][None]


_ADVICE = "finished runs are recorded; python -m benchmark check-network may tell more"


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Frozen parameters keep their initial values, and are not in theta."""
    return ((name, value) for name, value in module.named_parameters() if value.requires_grad)


def _give_storage(module: nn.Module) -> None:
    """Each buffer in memory of its own, as a file of state stores it; a buffer that two parts share stays shared."""
    own: dict[int, Tensor] = {}
    for part in module.modules():
        for name, value in list(part.named_buffers(recurse=False, remove_duplicate=False)):
            copy = own.setdefault(id(value), value.detach().clone(memory_format=torch.contiguous_format))
            setattr(part, name, copy)
