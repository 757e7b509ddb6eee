"""LwF: learning without forgetting."""

from pydantic import Field

from methods.losses import cross_entropy, own_head
from methods.method import Method
from methods.settings import Rate, Strength


class LwF(Method):
    """Keep the answers that the network gave to the images of a new task before it learned that task.

        loss = cross-entropy + lambda_o * sum over the old heads of -sum_c p*_c log p_c, averaged over the batch
        p    = softmax(outputs / T)
        p*   = softmax(outputs* / T)

    lambda_o: lwf_lambda; T: lwf_temperature; outputs: those of the network in training; outputs*: those of the network
    as it was at the end of the last task, in evaluation mode, for the same images. The old heads are those of the
    tasks before; on a one-head stream, that head.
    Source: Li and Hoiem, 'Learning without Forgetting', ECCV 2016 and IEEE TPAMI 2018, equations 1 to 3 and figure 3.
    Deviations: no warm-up, in which the paper trains the new head alone before all parameters, and no weight decay.
    The paper records p* once before each task. This file computes it at each step, which gives the same numbers.
    """

    id = "lwf"

    class Settings(Method.Settings):
        lwf_lambda: Strength = Field(1.0, description="paper, section 3, lambda_o")
        lwf_temperature: Rate = Field(2.0, description="paper, section 3, T")

    def __init__(self, settings, problem):
        super().__init__(settings, problem)
        self.old = {}  # the network at the last task's end, from then on

    def direction(self, net, batch):
        """The gradient of the loss above; in the first task, of the cross-entropy."""
        if not self.old:
            return net.gradient(batch)
        heads, temperature = slice(0, batch.task), self.settings.lwf_temperature
        targets = (net.outputs(batch, self.old, every_head=True)[:, :, heads] / temperature).softmax(3)

        def loss(outputs, batch):
            logs = (outputs[:, :, heads] / temperature).log_softmax(3)
            distillation = (targets * logs).sum((1, 2, 3)) / -batch.labels.shape[1]
            return cross_entropy(own_head(outputs, batch), batch) + self.settings.lwf_lambda * distillation

        return net.gradient(batch, loss, every_head=True)

    def after_phase(self, net, recent):
        """Remember the network."""
        self.old = net.snapshot()

    def state(self):
        """The network at the last task's end."""
        return self.old

    def restore(self, state):
        """Take it back."""
        self.old = state
