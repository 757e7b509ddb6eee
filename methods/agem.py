"""A-GEM: averaged gradient episodic memory."""

import torch
from torch import Tensor

from methods.batch import Batch
from methods.memory import EpisodicMemory
from methods.method import Gradient, Method, Network, Problem, Recent
from methods.settings import Settings


class AGEM(Method):
    """Never step against the gradient of the memory.

        direction = g - min(g.r, 0) / (r.r) * r

    g: gradient of the batch; r: gradient of a random batch of the episodic memory, which holds the last
    `memory_per_class` examples a class of each finished task; products are taken seed by seed.
    Source: Chaudhry et al., 'Efficient Lifelong Learning with A-GEM', ICLR 2019, equation 11.
    Deviations: none in the rule. The ring buffer is written when its task is over, which gives the same memory:
    the published code writes it at every step and reads it only afterwards.
    """

    id = "agem"
    title = "A-GEM"
    memoryless = False
    reference = "Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019"
    order = 3
    stream_settings = {
        "permuted-mnist": {
            "learning_rate": (0.25, "our search over the paper's grid"),
            "batch_size": (32, "published code, replicate_mnist.sh"),
            "dropout": (0.25, "published code, fixed in model/model.py"),
        },
        "split-cifar100": {"learning_rate": (0.1, "our search over the paper's grid")},
    }

    def __init__(self, settings: Settings, problem: Problem) -> None:
        super().__init__(settings, problem)
        self.memory = EpisodicMemory(settings.memory_per_class * problem.classes * problem.tasks, problem)

    def direction(self, net: Network, batch: Batch) -> Gradient:
        """The batch's gradient without its part against the memory's."""
        gradient = net.gradient(batch)
        if not self.memory.filled:
            return gradient
        reference = net.gradient(self.memory.sample(self.settings.memory_batch))
        conflict = gradient.dot(reference).clamp(max=0)
        scale = torch.where(conflict < 0, conflict / reference.dot(reference), 0.0)
        return gradient.minus(scale, reference)

    def after_phase(self, net: Network, recent: Recent) -> None:
        """Remember the last examples of each class of the task."""
        self.memory.keep_last(recent, self.settings.memory_per_class)

    def step_kind(self) -> int:
        """How many examples the memory holds."""
        return self.memory.filled

    def state(self) -> dict[str, Tensor]:
        """The memory."""
        return self.memory.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the memory back."""
        self.memory.restore(state)
