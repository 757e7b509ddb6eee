"""EWC: elastic weight consolidation, online."""

import torch
from torch import Tensor

from methods.batch import Batch
from methods.method import Gradient, Method, Network, Penalty, Problem, Recent
from methods.settings import Settings

FISHER_MOVING_AVERAGE = 0.9
"""Weight of the newest window in the published moving average: F <- 0.1 F + 0.9 (mean of squared gradients)."""
NEGLIGIBLE_WEIGHT = 1e-7
"""Steps of a smaller weight are left out: all of them together weigh a millionth."""


class EWC(Method):
    """Hold the parameters that mattered to the past where they were.

        loss = cross-entropy + lambda * sum_p F_p (theta_p - theta*_p)^2
        F <- 0.1 F + 0.9 * (1/W) sum over W steps of g^2, rescaled to [0, 1] at the end of a task

    lambda: ewc_lambda; theta*: parameters at the last task's end; F: diagonal Fisher information of the last
    task; g: gradient of the batch; W: fisher_window. Source: Kirkpatrick et al., PNAS 2017, equation 3; the
    moving average and the rescaling over all parameters of a network are those of the published code.
    Deviations: Kirkpatrick's Fisher averages the squares of single examples' gradients; the published code, and so
    this file, squares the gradient of a minibatch. One penalty for the last task stands for the earlier ones too.
    Windows are counted from the task's end, so that no step is left out; the published ones from its start.
    """

    id = "ewc"
    title = "EWC"
    memoryless = True
    reference = "Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017"
    order = 2
    stream_settings = {
        "permuted-mnist": {"batch_size": (32, "published code, replicate_mnist.sh")},
        "rotated-mnist": {
            "batch_size": (64, "our search over the paper's grid"),
            "dropout": (0.25, "published code, fixed in model/model.py"),
        },
    }

    def __init__(self, settings: Settings, problem: Problem) -> None:
        super().__init__(settings, problem)
        self.fisher: Tensor | None = None
        self.anchor: Tensor | None = None
        self._squares: Tensor | None = None

    def direction(self, net: Network, batch: Batch) -> Gradient:
        """The batch's gradient; the engine adds the penalty's. The last steps of a task feed its Fisher."""
        gradient = net.gradient(batch)
        window = batch.steps_left // self.settings.fisher_window
        weight = FISHER_MOVING_AVERAGE * (1 - FISHER_MOVING_AVERAGE) ** window / self.settings.fisher_window
        if weight > NEGLIGIBLE_WEIGHT:
            squares = gradient.dense().square_()
            self._squares = squares.mul_(weight) if self._squares is None else self._squares.add_(squares, alpha=weight)
        return gradient

    def penalty(self) -> Penalty | None:
        """lambda F around the last task's parameters; nothing in the first task."""
        return None if self.fisher is None else Penalty(self.settings.ewc_lambda * self.fisher, self.anchor)

    def after_phase(self, net: Network, recent: Recent) -> None:
        """Rescale the Fisher to [0, 1] over the parameters of each seed, and remember where they are."""
        low, high = self._squares.aminmax(dim=1, keepdim=True)
        self.fisher = (self._squares - low) / (high - low + torch.finfo(high.dtype).tiny)
        self.anchor, self._squares = net.theta.clone(), None

    def state(self) -> dict[str, Tensor]:
        """The Fisher and the anchor, once there are any."""
        return {} if self.fisher is None else {"fisher": self.fisher, "anchor": self.anchor}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take both back."""
        self.fisher, self.anchor = state.get("fisher"), state.get("anchor")
