"""EWC: elastic weight consolidation, online."""

import torch
from torch import Tensor

from methods.batch import Batch
from methods.method import Gradient, Method, Network, Penalty, Problem, Recent
from methods.settings import Settings

FISHER_MOVING_AVERAGE = 0.9
"""Weight of the newest window in the published moving average: F <- 0.1 F + 0.9 (mean of squared gradients)."""
NEGLIGIBLE_WEIGHT = 1e-7
"""Steps with a smaller weight are skipped. Together they have a weight of a millionth."""


class EWC(Method):
    """Penalize changes of the parameters that were important for the previous tasks.

        loss = cross-entropy + lambda * sum_p F_p (theta_p - theta*_p)^2
        F <- 0.1 F + 0.9 * (1/W) sum over W steps of g^2, rescaled to [0, 1] at the end of a task

    lambda: ewc_lambda; theta*: parameters at the end of the last task; F: diagonal Fisher information of the last
    task; g: gradient of the batch; W: fisher_window.
    Source: Kirkpatrick et al., PNAS 2017, equation 3. The moving average and the rescaling over all parameters of a
    network follow the published code.
    Deviations: Kirkpatrick et al. average the squared gradients of single examples. The published code squares the
    gradient of a minibatch, and so does this file. One penalty, that of the last task, also stands for all earlier
    tasks. Windows are counted from the end of a task, so that every step belongs to one; the published code counts
    them from the start.
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
        """The gradient of the batch. The engine adds the penalty's. The last steps of a task accumulate its Fisher."""
        gradient = net.gradient(batch)
        window = batch.steps_left // self.settings.fisher_window
        weight = FISHER_MOVING_AVERAGE * (1 - FISHER_MOVING_AVERAGE) ** window / self.settings.fisher_window
        if weight > NEGLIGIBLE_WEIGHT:
            squares = gradient.dense().square_()
            self._squares = squares.mul_(weight) if self._squares is None else self._squares.add_(squares, alpha=weight)
        return gradient

    def penalty(self) -> Penalty | None:
        """lambda * F around the parameters of the last task; None in the first task."""
        return None if self.fisher is None else Penalty(self.settings.ewc_lambda * self.fisher, self.anchor)

    def after_phase(self, net: Network, recent: Recent) -> None:
        """Rescale the Fisher of each seed to [0, 1] over its parameters, and store the parameters as the anchor."""
        low, high = self._squares.aminmax(dim=1, keepdim=True)
        self.fisher = (self._squares - low) / (high - low + torch.finfo(high.dtype).tiny)
        self.anchor, self._squares = net.theta.clone(), None

    def state(self) -> dict[str, Tensor]:
        """The Fisher and the anchor; empty before the end of the first task."""
        return {} if self.fisher is None else {"fisher": self.fisher, "anchor": self.anchor}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the Fisher and the anchor."""
        self.fisher, self.anchor = state.get("fisher"), state.get("anchor")
