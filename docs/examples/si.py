"""SI: synaptic intelligence."""

import torch
from pydantic import Field

from methods.method import Method, Penalty
from methods.settings import Rate, Strength


class SI(Method):
    """Hold each parameter as firmly as it helped to lower the loss on its way.

        loss  = cross-entropy + c * sum_p Omega_p (theta_p - theta*_p)^2
        w     = sum over the steps of a task of -g * (theta after - theta before)
        Omega = sum over the finished tasks of w / ((theta at its end - theta at its start)^2 + xi)

    c: si_c; xi: si_xi; theta*: the parameters at the last task's end; g: gradient of the batch's cross-entropy.
    Source: Zenke, Poole and Ganguli, 'Continual Learning Through Synaptic Intelligence', ICML 2017, eq. 3 to 5.
    Deviations: a w below 0, which the noise of batches can make, counts as 0, lest the penalty push theta away; steps
    are the suite's SGD, the paper's Adam's, so a step is stable only while lr * c * Omega < 1.
    """

    id = "si"
    title = "SI"
    memoryless = True
    reference = "Zenke et al., Continual Learning Through Synaptic Intelligence, ICML 2017"

    class Settings(Method.Settings):
        si_c: Strength = Field(0.1, description="paper, section 5, permuted MNIST")
        si_xi: Rate = Field(0.1, description="paper, section 5, permuted MNIST")

    def __init__(self, settings, problem):
        super().__init__(settings, problem)
        self.omega = self.anchor = None  # [S, P], from the first task's end on
        self.start = self.before = self.gradient = self.path = None  # [S, P], within a task

    def direction(self, net, batch):
        """The batch's gradient; the engine adds the penalty's."""
        if self.start is None:
            self.start, self.path = net.theta.clone(), torch.zeros_like(net.theta)
        else:
            self._count_step(net.theta)
        gradient = net.gradient(batch)
        self.before, self.gradient = net.theta.clone(), gradient.dense()
        return gradient

    def penalty(self):
        """c Omega around the last task's parameters; nothing in the first task."""
        return None if self.omega is None else Penalty(self.settings.si_c * self.omega, self.anchor)

    def after_phase(self, net, recent):
        """Turn the task's path into importances."""
        self._count_step(net.theta)
        gained = self.path.clamp(min=0) / ((net.theta - self.start).square() + self.settings.si_xi)
        self.omega = gained if self.omega is None else self.omega + gained
        self.anchor, self.start = net.theta.clone(), None

    def state(self):
        """The importances and the anchor, once there are any."""
        return {} if self.omega is None else {"omega": self.omega, "anchor": self.anchor}

    def restore(self, state):
        """Take both back."""
        self.omega, self.anchor = state.get("omega"), state.get("anchor")

    def _count_step(self, theta):
        """Add -g * (theta after - theta before) of the step that led here."""
        self.path.addcmul_(self.gradient, theta - self.before, value=-1)
