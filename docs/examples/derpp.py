"""DER++: dark experience replay with labels."""

from pydantic import Field

from methods.losses import cross_entropy
from methods.memory import EpisodicMemory
from methods.method import Method
from methods.settings import Strength


class DERpp(Method):
    """Replay past examples, with their labels and with the outputs that the network gave when it met them.

        loss = CE(B) + alpha * mean over (x, z) of M1 and over the classes of (z - f(x))^2 + beta * CE(M2)

    CE: mean cross-entropy; B: the batch; M1, M2: two samples of the memory, drawn independently; f(x): outputs of the
    example's own head; z: f(x) at the step that met the example; alpha: derpp_alpha; beta: derpp_beta. The memory is
    a reservoir of `memory_per_class` * C * T examples.
    Source: Buzzega, Boschini, Porrello, Abati and Calderara, 'Dark Experience for General Continual Learning: a
    Strong, Simple Baseline', NeurIPS 2020, equation 6 and algorithm 2.
    Deviations: equation 6 has the squared norm of z - f(x); the mean over the classes is that of the authors' code,
    where alpha and beta come from. B, M1 and M2 pass through the network as one batch, so batch norm takes its
    statistics over all three; the authors' code makes three passes. There is no data augmentation.
    """

    id = "derpp"

    class Settings(Method.Settings):
        derpp_alpha: Strength = Field(1.0, description="authors' code (mammoth), permuted MNIST, 200 examples kept")
        derpp_beta: Strength = Field(1.0, description="authors' code (mammoth), permuted MNIST, 200 examples kept")

    def __init__(self, settings, problem):
        super().__init__(settings, problem)
        size = settings.memory_per_class * problem.classes * problem.tasks
        self.memory = EpisodicMemory(size, problem, extras={"logits": (problem.classes,)})

    def direction(self, net, batch):
        """The gradient of the loss above; meanwhile the batch is offered to the memory, with its outputs."""
        if not self.memory.filled:
            return net.gradient(batch, self._new)
        matched, kept = self.memory.sample_with_extras(self.settings.memory_batch)
        replayed = self.memory.sample(self.settings.memory_batch)
        sizes = [part.labels.shape[1] for part in (batch, matched, replayed)]

        def loss(outputs, joined):
            new, again, labelled = outputs.split(sizes, dim=1)
            distance = (again - kept["logits"]).square().mean((1, 2))
            replay = self.settings.derpp_alpha * distance + self.settings.derpp_beta * cross_entropy(labelled, replayed)
            return self._new(new, batch) + replay

        return net.gradient(batch.join(matched).join(replayed), loss)

    def state(self):
        """The memory."""
        return self.memory.state()

    def restore(self, state):
        """Take the memory back."""
        self.memory.restore(state)

    def _new(self, outputs, batch):
        """The cross-entropy of the batch, offered to the memory with the outputs that this very step computes."""
        self.memory.offer(batch, logits=outputs)
        return cross_entropy(outputs, batch)
