"""What the suite asks of an external network, tried on a few examples of a stream."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import safetensors.torch
import torch
from torch import Tensor

from benchmark.common.loading import place_of
from benchmark.networks.module import ModuleNetwork
from benchmark.networks.registry import NetworkKind
from benchmark.streams.build import Stream
from benchmark.streams.images import TaskImages
from benchmark.training.conformance import ROUNDING, Broken, Finding
from benchmark.training.engine import Cell
from benchmark.training.phases import PhaseData
from methods.batch import Batch
from methods.errors import InputError
from methods.registry import METHODS
from methods.settings import Settings

COMPANY = 1e-4
"""Largest share of an output by which the other examples of a batch may change it in evaluation, by rounding."""
BATCH = 10


@dataclass(frozen=True)
class Trial:
    """A network to be tried, and on what: streams of the seeds 0 and 1, under settings of few steps."""

    kind: NetworkKind
    streams: list[Stream]
    settings: Settings

    def cell(self, seeds: list[int]) -> Cell:
        """Untrained, of some of the seeds; its method is plain SGD."""
        return Cell(METHODS["naive"], [self.streams[seed] for seed in seeds], self.settings, "cpu", network=self.kind)

    def network(self) -> ModuleNetwork:
        """Of seed 0."""
        return self.cell([0]).net

    def batch(self, count: int) -> Batch:
        """The first training examples of seed 0."""
        return PhaseData(self.streams[:1], (0,), torch.device("cpu")).take(torch.arange(count)[None])


def findings(trial: Trial) -> Iterator[Finding]:
    """Each clause of CLAUSES tried, one by one; none after the first where that does not hold."""
    for clause, attempt in CLAUSES.items():
        why = None
        try:
            with torch.no_grad():
                attempt(trial)
        except (Broken, InputError) as error:
            why = _said(error)
        except Exception as error:
            why = place_of(error, trial.kind.source.__file__)
        yield Finding(clause, why)
        if why is not None and attempt is makes_a_module:
            return


def makes_a_module(trial: Trial) -> None:
    """A torch.nn.Module with float32 parameters, whose outputs fit the stream; a new one at each call."""
    trial.cell([0, 1])
    if not trial.network().outputs(trial.batch(BATCH)).isfinite().all():
        raise Broken("its first outputs are NaN or infinite; are its initial values too large?")


def starts_at_random(trial: Trial) -> None:
    """Two seeds have initial values of their own, unless all of them are constants."""
    net = trial.cell([0, 1]).net
    drawn = [view for view in net.views(net.theta) if view[0].min() < view[0].max()]
    if drawn and all(torch.equal(view[0], view[1]) for view in drawn):
        raise Broken("two seeds begin with the same values; do not call torch.manual_seed: the suite seeds each call")


def takes_any_batch(trial: Trial) -> None:
    """One example, and the last examples of a task, which may be fewer than a batch."""
    for count in (1, 2, 3):
        try:
            trial.network().gradient(trial.batch(count))
        except InputError as error:
            raise Broken(
                f"{_said(error)} (in training, {count} in the batch); a task's last batch holds what is left of its "
                "examples, and batch norm over vectors needs 2: choose a batch_size that does not leave 1"
            ) from None
        trial.network().logits(trial.batch(count).images[0], 0, 0)


def leaves_the_batch(trial: Trial) -> None:
    """The images are not changed in place."""
    batch, network = trial.batch(BATCH), trial.network()
    before = batch.images.clone()
    network.gradient(batch)
    network.logits(batch.images[0], 0, 0)
    if not torch.equal(before, batch.images):
        raise Broken("forward changes the batch in place, and methods use it again; write x = x - 1, not x -= 1")


def trains_every_parameter(trial: Trial) -> None:
    """Each trainable parameter gets a gradient, and it is finite."""
    network, batch = trial.network(), trial.batch(BATCH)
    with torch.enable_grad():
        outputs = network.modules[0](batch.images[0])
        values = torch.autograd.grad(outputs.square().sum(), network.parameters[0], allow_unused=True)
    without = [name for name, value in zip(network.shapes, values, strict=True) if value is None]
    if without:
        names = ", ".join(without[:3])
        raise Broken(f"no gradient reaches {names}; use it in forward, or freeze it by requires_grad_(False)")
    if not all(value.isfinite().all() for value in values):
        raise Broken("a gradient is NaN or infinite; is something divided by 0?")


def repeats_itself(trial: Trial) -> None:
    """The same run twice gives the same parameters, bit for bit."""
    if not _equal(_trained(trial.cell([0, 1])), _trained(trial.cell([0, 1]))):
        raise Broken(
            "two equal runs differ; draw random numbers only from the global generators of PyTorch, NumPy or Python, "
            "and keep nothing in the class or the file"
        )


def keeps_seeds_apart(trial: Trial) -> None:
    """Each seed learns beside the other what it learns alone."""
    together = _trained(trial.cell([0, 1]))
    for seed in (0, 1):
        if not (_trained(trial.cell([seed]))[0] - together[seed]).nan_to_num().abs().max() < ROUNDING:
            raise Broken(
                f"seed {seed} trained with another seed differs from seed {seed} trained alone; keep tensors and "
                "counters in the module, not in its class or in the file"
            )


def goes_on(trial: Trial) -> None:
    """A run that goes on after a task ends as one that was never stopped."""
    whole, kept = trial.cell([0]), []
    end = _trained(whole, lambda cell: kept.append((cell.phase, deepcopy(cell.outcomes), _stored(cell))))
    for phase, outcomes, tensors in kept[:-1]:
        later = trial.cell([0])
        later.restore(phase, outcomes, tensors)
        if not _equal(_trained(later), end):
            raise Broken(
                f"a run that goes on after task {phase} ends differently; keep what changes in training in buffers "
                "(register_buffer), not in attributes"
            )


def evaluates_one_by_one(trial: Trial) -> None:
    """In evaluation, the outputs of an example depend neither on the examples beside it nor on a draw."""
    network, images = trial.network(), trial.batch(BATCH).images[0]
    together = network.logits(images, 0, 0)
    alone = torch.cat([network.logits(image[None], 0, 0) for image in images])
    if not (alone - together).abs().max() < COMPANY * max(1.0, together.abs().max().item()):
        raise Broken(
            "in evaluation mode the outputs of an example change with the other examples of the batch, or from call to "
            "call; use running statistics there, as nn.BatchNorm2d does, and draw nothing"
        )


CLAUSES: dict[str, Callable[[Trial], None]] = {
    "it returns a new torch.nn.Module with outputs of the right shape": makes_a_module,
    "two seeds begin with values of their own": starts_at_random,
    "it takes batches of any size": takes_any_batch,
    "it leaves the batch as it is": leaves_the_batch,
    "every parameter gets a gradient": trains_every_parameter,
    "the same run twice gives the same numbers": repeats_itself,
    "seeds do not disturb each other": keeps_seeds_apart,
    "a stopped run goes on exactly after every task": goes_on,
    "in evaluation an example's outputs depend on it alone": evaluates_one_by_one,
}


def few(stream: Stream, count: int) -> Stream:
    """The stream with only the first `count` test examples of each task."""
    return replace(stream, test=[_first(part, count) for part in stream.test])


def _first(images: TaskImages, count: int) -> TaskImages:
    rows, targets = images.rows[:count], images.targets[:count]
    return TaskImages(images.base, rows, targets, images.scale, images.pixel_map, images.image_shape)


def _trained(cell: Cell, keep: Callable[[Cell], None] = lambda cell: None) -> Tensor:
    """The parameters [S, P] at the end of its training."""
    cell.train(lambda *progress: None, keep)
    return cell.net.theta.clone()


def _stored(cell: Cell) -> dict[str, Tensor]:
    """The cell's state, written and read as a run's is."""
    return safetensors.torch.load(safetensors.torch.save(cell.state()))


def _equal(one: Tensor, two: Tensor) -> bool:
    """Bit for bit; NaN counts as 0, for a diverged run may hold it."""
    return torch.equal(one.nan_to_num(), two.nan_to_num())


def _said(error: Exception) -> str:
    return str(error).removeprefix("--network: ").split("; finished runs are recorded")[0]
