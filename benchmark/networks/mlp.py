"""The MLP for the MNIST streams: S networks that train together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.common.cuda_graphs import captured
from benchmark.common.randomness import Randomness
from benchmark.networks.dropout import mask
from benchmark.networks.gradients import Factored
from benchmark.networks.heads import loss_errors, output_errors, own_logits, shown_outputs
from methods.batch import Batch
from methods.method import Loss, Snapshot

CACHE_LINE = 16
"""Number of float32 values in a cache line. Weights that do not start at a cache line slow down matrix products."""


class MLP:
    """An MLP with layer sizes D-H-H-outputs and ReLU. Weights and biases are initialized like those of nn.Linear.

    theta: [S, P]. A row holds the weight [in, out] and the bias [out] of each layer in order, and zeros up to the next
    cache line.
    The gradient is derived by hand and kept in factored form (see benchmark/networks/gradients.py). Tests compare it
    with autograd. Dropout follows each hidden ReLU, as in the published model.
    """

    def __init__(self, pixels: int, hidden: int, heads: int, classes: int, dropout: float, random: Randomness) -> None:
        self.sizes = [pixels, hidden, hidden, heads * classes]
        self.heads, self.classes, self.dropout, self.random = heads, classes, dropout, random
        bound = torch.cat(
            [
                torch.full(((inputs + 1) * outputs,), 1 / math.sqrt(inputs))
                for inputs, outputs in zip(self.sizes, self.sizes[1:])
            ]
        ).to(random.device)
        drawn = random.draw(bound.numel()).mul_(2).sub_(1).mul_(bound)
        self.theta = F.pad(drawn, (0, -bound.numel() % CACHE_LINE))
        self.buffers: dict[str, Tensor] = {}
        self._layers = self.views(self.theta)
        self._passes = captured(self._forward_and_back, random.device)

    def views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each layer's weight [S, in, out] and bias [S, 1, out] as views of a tensor [S, P]."""
        seeds, layers, start = flat.shape[0], [], 0
        for inputs, outputs in zip(self.sizes, self.sizes[1:]):
            middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
            weight = flat[:, start:middle].view(seeds, inputs, outputs)
            layers.append((weight, flat[:, middle:end].view(seeds, 1, outputs)))
            start = end
        return layers

    def _cut(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self._layers if flat is self.theta else self.views(flat)  # every step needs the views of theta

    def gradient(self, batch: Batch, loss: Loss | None = None, every_head: bool = False) -> Factored:
        """Gradient of each seed's loss over its batch, by default of its mean cross-entropy, with dropout."""
        images, draws, layers = batch.images.flatten(2), self._draws(batch), len(self._layers)
        if loss is None:
            factors = self._passes(images, batch.labels, batch.heads, *draws)
        else:
            inputs, outputs = self._forward(self._layers, images, draws)
            factors = inputs[1:] + self._back(inputs, loss_errors(loss, outputs, batch, self.heads, every_head))
        return Factored([images, *factors[: layers - 1]], factors[layers - 1 :], self._cut, self.theta.shape[1])

    def outputs(self, batch: Batch, snapshot: Snapshot | None = None, every_head: bool = False) -> Tensor:
        """Outputs in training mode, or those of a snapshot in evaluation mode. See `methods.method.Network`."""
        layers = self._layers if snapshot is None else self.views(snapshot["theta"])
        draws = self._draws(batch) if snapshot is None else []
        outputs = self._forward(layers, batch.images.flatten(2), draws)[1]
        return shown_outputs(outputs, batch, self.heads, every_head)

    def snapshot(self) -> Snapshot:
        """A copy of the parameters."""
        return {"theta": self.theta.clone()}

    def _draws(self, batch: Batch) -> list[Tensor]:
        examples, hidden = batch.labels.shape[1], self.sizes[1:-1] if self.dropout else []
        return [self.random.uniform(examples, units, dtype=torch.float32) for units in hidden]

    def _forward_and_back(self, images: Tensor, labels: Tensor, heads: Tensor, *draws: Tensor) -> list[Tensor]:
        """The inputs of all layers except the first, followed by the errors of all layers."""
        inputs, outputs = self._forward(self._layers, images, draws)
        return inputs[1:] + self._back(inputs, output_errors(outputs, Batch(images, labels, heads), self.heads))

    def _forward(
        self, layers: Sequence[tuple[Tensor, Tensor]], images: Tensor, draws: Sequence[Tensor]
    ) -> tuple[list[Tensor], Tensor]:
        """The inputs of all layers, and the outputs [S, B, heads * C]."""
        inputs = [images]
        for layer, (weight, bias) in enumerate(layers[:-1]):
            unit = torch.baddbmm(bias, inputs[-1], weight).relu_()
            inputs.append(unit.mul_(mask(draws[layer], self.dropout)) if draws else unit)
        weight, bias = layers[-1]
        return inputs, torch.baddbmm(bias, inputs[-1], weight)

    def _back(self, inputs: list[Tensor], last: Tensor) -> list[Tensor]:
        """The errors of all layers. last: those of the last layer, [S, B, heads * C]."""
        errors = [last]
        for (weight, _), unit in zip(reversed(self._layers[1:]), reversed(inputs[1:])):
            error = torch.bmm(errors[0], weight.transpose(1, 2))
            # ReLU and dropout set a unit to 0. All other units are positive, scaled by 1 / (1 - dropout).
            error = torch.ops.aten.threshold_backward(error, unit, 0)
            errors.insert(0, error.mul_(1 / (1 - self.dropout)) if self.dropout else error)
        return errors

    def logits(self, images: Tensor, seed: int, head: int) -> Tensor:
        """Outputs [N, C] of one head of the network with index `seed` for images [N, ...], without dropout."""
        unit = images.flatten(1)
        for weight, bias in self._layers[:-1]:
            unit = torch.addmm(bias[seed], unit, weight[seed]).relu_()
        weight, bias = self._layers[-1]
        return own_logits(torch.addmm(bias[seed], unit, weight[seed]), head, self.classes)
