"""The plain loop of tests.oracles.plain, stepped by torch.optim and torch.optim.lr_scheduler on the module itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from methods.settings import Settings
from tests.oracles.plain import PlainRun

Made = Callable[[list[torch.nn.Parameter], float], torch.optim.Optimizer]


class PlainOptimRun(PlainRun):
    """One seed. The optimizer is made anew every epoch, task, or once; a scheduler, if any, lives as long as it does.

    made(parameters, rate): the optimizer. scheduled(optimizer, steps, epochs): its scheduler, whose step() is called
    `unit` by unit ("step" or "epoch"); steps: of the phase.
    """

    def __init__(
        self, method: str, stream, settings: Settings, made: Made, life: str = "epoch", scheduled=None, unit="step"
    ) -> None:
        super().__init__(method, stream, settings)
        self.made, self.life, self.scheduled, self.unit = made, life, scheduled, unit
        self.optimizer = self.scheduler = None
        self.rates: list[float] = []

    def train_phase(self, examples: list[tuple[Tensor, int, int]], rate: float) -> list[int]:
        """The epochs of one phase; returns the order of the last."""
        size, epochs = self.settings.batch_size, self.settings.epochs
        total = steps = -(-len(examples) // size) * epochs
        self.net.train()
        for epoch in range(epochs):
            if self.optimizer is None or self.life == "epoch" or (self.life == "task" and not epoch):
                self.optimizer = self.made(list(self.net.parameters()), rate)
                self.scheduler = self.scheduled and self.scheduled(self.optimizer, steps, epochs)
            if self.scheduler is None:
                self.optimizer.param_groups[0]["lr"] = rate
            order = self.random.order(len(examples))[0].tolist()
            for start in range(0, len(order), size):
                total -= 1
                self.step([examples[i] for i in order[start : start + size]], total)
                if self.scheduler and self.unit == "step":
                    self.scheduler.step()
            if self.scheduler and self.unit == "epoch":
                self.scheduler.step()
        return order

    def step(self, batch: list[tuple[Tensor, int, int]], steps_left: int) -> None:
        """One step of the optimizer along the method's direction."""
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        direction = self.direction(batch, steps_left)
        for parameter in self.net.parameters():
            piece, direction = direction[: parameter.numel()], direction[parameter.numel() :]
            parameter.grad = piece.view(parameter.shape[::-1]).t() if parameter.ndim == 2 else piece.clone()
        self.optimizer.step()
