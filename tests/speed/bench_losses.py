"""What a given loss costs: a step with it, and the step of the same passes without one ('plain').

    python -m pytest tests/speed/bench_losses.py -o python_functions='bench_*' --benchmark-json=out/losses.json
    python -m tests.speed.bench_losses out/losses.json

The second command prints the ratio of the two sides of each row, the median over the turns. The goal is 1.3 at most.
Images are random numbers, so no data is needed.
"""

from __future__ import annotations

import json
import sys
from functools import cache, partial
from pathlib import Path
from statistics import median

import pytest
import torch

from benchmark.common.device import denormals_as_zero
from benchmark.common.randomness import Randomness
from benchmark.networks.mlp import MLP
from benchmark.networks.resnet import ResNet18
from benchmark.training.external import method_named
from benchmark.training.optimizers import Step
from methods.batch import Batch
from methods.losses import cross_entropy
from methods.method import Problem
from methods.settings import settings_for
from tests.speed.ours import BATCH, TASKS
from tests.speed.timings import Timings

TABLE = "losses"
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
NETWORKS = {"mlp": ("permuted-mnist", 5, (784,), 10, 200), "resnet": ("split-cifar100", 1, (3, 32, 32), 5, 10)}
"""The stream, the seeds, the form of an image, the classes of a head, and how many steps are timed at once."""


class Side:
    """A network in its second task with batches for it; `direction` and `plain` each give what a step follows."""

    def __init__(self, network: str, loss: str) -> None:
        stream, seeds, self.shape, self.classes, self.count = NETWORKS[network]
        self.seeds, cpu = seeds, torch.device("cpu")
        random = Randomness(list(range(seeds)), cpu)
        if network == "mlp":
            self.heads, self.net = 1, MLP(784, 256, 1, self.classes, 0.0, random)
        else:
            self.heads, self.net = TASKS, ResNet18(TASKS, self.classes, 0.0, random)
        self.step, self.batch = Step(self.net.theta, 1e-6, 0.0, None), self._examples(BATCH)
        self.direction = partial(self.net.gradient, self.batch, cross_entropy)
        self.plain = partial(self.net.gradient, self.batch)
        if loss != "cross-entropy":
            method = method_named(str(EXAMPLES / f"{loss}.py"))
            problem = Problem(seeds, TASKS, self.classes, self.shape, cpu, random)
            self.method = method(settings_for(loss, stream, {"batch_size": BATCH}, method.Settings), problem)
            self.direction = partial(self.method.direction, self.net, self.batch)
            getattr(self, f"_prime_{loss}")()

    def _examples(self, count: int) -> Batch:
        labels = torch.randint(0, self.classes, (self.seeds, count))
        images = torch.rand(self.seeds, count, *self.shape)
        return Batch(images, labels, torch.full_like(labels, min(self.heads - 1, 1)), 1)

    def _prime_lwf(self) -> None:
        self.method.old = self.net.snapshot()

        def plain():
            self.net.outputs(self.batch, self.method.old)
            return self.net.gradient(self.batch)

        self.plain = plain

    def _prime_derpp(self) -> None:
        many, memory, count = self._examples(100), self.method.memory, self.method.settings.memory_batch
        memory.offer(many, logits=torch.zeros(self.seeds, 100, self.classes))

        def plain():
            replayed = self.batch.join(memory.sample_with_extras(count)[0]).join(memory.sample(count))
            memory.offer(self.batch, logits=torch.zeros(self.seeds, BATCH, self.classes))
            return self.net.gradient(replayed)

        self.plain = plain

    @torch.no_grad()
    @denormals_as_zero()
    def steps(self, direction) -> None:
        """`count` steps."""
        for _ in range(self.count):
            self.step(direction())


side_of = cache(Side)  # made once, timed in every turn


@pytest.mark.parametrize("row", [f"{loss}, {net}" for net in NETWORKS for loss in ("cross-entropy", "lwf", "derpp")])
@pytest.mark.parametrize("side", ["plain", "given"])
def bench_loss(timed, row, side):
    work = side_of(*reversed(row.split(", ")))
    timed(TABLE, row, side, partial(work.steps, work.plain if side == "plain" else work.direction), work.count)


def ratios(raw: dict) -> dict[str, float]:
    """By row: a step with the loss over the plain one, the median of the ratios within a turn."""
    rows = Timings(raw["benchmarks"]).seconds[TABLE]
    return {
        row: median(sides["given"][turn] / sides["plain"][turn] for turn in sides["given"])
        for row, sides in rows.items()
    }


if __name__ == "__main__":
    for row, ratio in ratios(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).items():
        print(f"{row:22} {ratio:.2f}")
