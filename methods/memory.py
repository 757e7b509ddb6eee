"""The episodic memory: a few examples of past tasks, for every seed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods.batch import Batch
from methods.method import Problem, Recent


class EpisodicMemory:
    """Room for M examples a seed.

    images [S, M + 1, *shape], labels and heads [S, M + 1]; the last slot takes what is thrown away, so that a
    write has the same shape at every step. `filled` counts the examples held, `seen` (int64 [], on the device) those
    offered. `extras` names what else is kept with each example, as {"logits": (C,)}: float32 [S, M + 1, *shape].
    """

    def __init__(self, size: int, problem: Problem, extras: Mapping[str, tuple[int, ...]] | None = None) -> None:
        self.size, self.problem, self.filled = size, problem, 0
        slots = (problem.seeds, size + 1)
        self.images = torch.zeros(*slots, *problem.shape, device=problem.device)
        self.labels = torch.zeros(slots, dtype=torch.int64, device=problem.device)
        self.heads = torch.zeros(slots, dtype=torch.int64, device=problem.device)
        self.extras = {
            name: torch.zeros(*slots, *shape, device=problem.device) for name, shape in (extras or {}).items()
        }
        self.seen = torch.zeros((), dtype=torch.int64, device=problem.device)
        self._first = torch.arange(problem.seeds, device=problem.device)[:, None] * (size + 1)

    def sample(self, count: int) -> Batch:
        """`count` different examples of each seed drawn uniformly (all of them where fewer are held)."""
        return self.sample_with_extras(count)[0]

    def sample_with_extras(self, count: int) -> tuple[Batch, dict[str, Tensor]]:
        """As `sample`, and what is kept with these examples: by name, [S, count, *shape]."""
        draws = self.problem.random.uniform(self.size)[:, : self.filled]
        chosen = draws.topk(min(count, self.filled), dim=1).indices + self._first
        flat = (self.images.flatten(0, 1), self.labels.flatten(), self.heads.flatten())
        extras = {name: values.flatten(0, 1)[chosen] for name, values in self.extras.items()}
        return Batch(*(source[chosen] for source in flat)), extras

    def offer(self, batch: Batch, **extras: Tensor) -> None:
        """Reservoir sampling (Vitter 1985, algorithm R): afterwards every example ever offered is held with
        probability M / seen. The published code draws one place too few, which favours later examples.

        extras: what is kept with the examples, by name, [S, B, *shape]. Raises ValueError for other names.
        """
        count = batch.labels.shape[1]
        places = self.seen + torch.arange(count, device=batch.labels.device)
        slots = (self.problem.random.uniform(count) * (places + 1)).long()
        slots = torch.where(places < self.size, places, slots).clamp_(max=self.size)
        self._write(self._last_wins(slots), batch, extras)
        self.seen += count
        self.filled = min(self.filled + count, self.size)

    def keep_last(self, recent: Recent, per_class: int) -> None:
        """Ring buffer of `per_class` examples a class: append the last ones of each class of a finished task.

        Where a class has fewer examples, later ones of the other classes take their places.
        """
        same = torch.nn.functional.one_hot(recent.labels, self.problem.classes)
        age = (same.flip(1).cumsum(1).flip(1) * same).sum(2)  # 1 for the last of its class, 2 for the one before
        wanted = min(per_class * self.problem.classes, age.shape[1], self.size - self.filled)
        newest = age.sort(dim=1, stable=True).indices[:, :wanted]
        slots = torch.arange(self.filled, self.filled + wanted, device=age.device)
        self._write(slots.expand(self.problem.seeds, -1), recent.take(newest), {})
        self.filled += wanted

    def state(self) -> dict[str, Tensor]:
        """What the memory holds, as tensors."""
        counts = torch.tensor([self.filled, int(self.seen)])
        extras = {f"extra.{name}": values for name, values in self.extras.items()}
        return {"images": self.images, "labels": self.labels, "heads": self.heads, "counts": counts} | extras

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for name in ("images", "labels", "heads"):
            getattr(self, name).copy_(state[name])
        for name, values in self.extras.items():
            values.copy_(state[f"extra.{name}"])
        self.filled, seen = state["counts"].tolist()
        self.seen.fill_(seen)

    def _last_wins(self, slots: Tensor) -> Tensor:
        """Throw away all but the last of the examples of a batch that drew the same slot, as one by one would."""
        equal = slots[:, :, None] == slots[:, None, :]
        overwritten = equal.triu(diagonal=1).any(2)
        return slots.masked_fill(overwritten, self.size)

    def _write(self, slots: Tensor, batch: Batch, extras: Mapping[str, Tensor]) -> None:
        if extras.keys() != self.extras.keys():
            raise ValueError(f"the memory keeps {list(self.extras)} with each example; {list(extras)} were given")
        index = (slots + self._first).flatten()
        self.images.flatten(0, 1).index_copy_(0, index, batch.images.flatten(0, 1))
        self.labels.flatten().index_copy_(0, index, batch.labels.flatten())
        self.heads.flatten().index_copy_(0, index, batch.heads.flatten())
        for name, values in extras.items():
            self.extras[name].flatten(0, 1).index_copy_(0, index, values.detach().flatten(0, 1))
