"""A-GEM: averaged gradient episodic memory."""

import torch
from torch import Tensor

from methods.batch import Batch
from methods.memory import EpisodicMemory
from methods.method import Gradient, Method, Network, Problem, Recent
from methods.settings import Settings


class AGEM(Method):
    """Project the gradient so that a step does not increase the loss on the episodic memory, to first order.

        direction = g - min(g.r, 0) / (r.r) * r

    g: gradient of the batch; r: gradient of a random batch from the episodic memory. Each seed has its own products.
    The memory holds the last `memory_per_class` examples of each class of each finished task.
    Source: Chaudhry et al., 'Efficient Lifelong Learning with A-GEM', ICLR 2019, equation 11.
    Deviations: none in the rule. The ring buffer is written at the end of its task. The published code writes it at
    every step but reads it only after the task, so the memory is the same.
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
        """The gradient of the batch without its component against the gradient of the memory."""
        gradient = net.gradient(batch)
        if not self.memory.filled:
            return gradient
        reference = net.gradient(self.memory.sample(self.settings.memory_batch))
        conflict = gradient.dot(reference).clamp(max=0)
        scale = torch.where(conflict < 0, conflict / reference.dot(reference), 0.0)
        return gradient.minus(scale, reference)

    def after_phase(self, net: Network, recent: Recent) -> None:
        """Store the last examples of each class of the task."""
        self.memory.keep_last(recent, self.settings.memory_per_class)

    def step_kind(self) -> int:
        """The number of examples in the memory."""
        return self.memory.filled

    def state(self) -> dict[str, Tensor]:
        """The content of the memory."""
        return self.memory.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the memory."""
        self.memory.restore(state)
