"""Episodic memory: a few examples of past tasks for each seed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods.batch import Batch
from methods.method import Problem, Recent


class EpisodicMemory:
    """A memory of M examples for each seed.

    images: float32 [S, M + 1, *shape]; labels, heads: int64 [S, M + 1]. The last slot receives discarded examples, so
    that a write has the same shape at every step. filled: number of examples held. seen: number of examples offered,
    int64 [] on the device. extras: names and shapes of other tensors to store with each example, for example
    {"logits": (C,)}; they are float32 [S, M + 1, *shape].
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
        """`count` examples for each seed, drawn uniformly without replacement; all examples if there are fewer."""
        return self.sample_with_extras(count)[0]

    def sample_with_extras(self, count: int) -> tuple[Batch, dict[str, Tensor]]:
        """Like `sample`, with the extras of the same examples, by name: [S, count, *shape]."""
        draws = self.problem.random.uniform(self.size)[:, : self.filled]
        chosen = draws.topk(min(count, self.filled), dim=1).indices + self._first
        flat = (self.images.flatten(0, 1), self.labels.flatten(), self.heads.flatten())
        extras = {name: values.flatten(0, 1)[chosen] for name, values in self.extras.items()}
        return Batch(*(source[chosen] for source in flat)), extras

    def offer(self, batch: Batch, **extras: Tensor) -> None:
        """Reservoir sampling (Vitter 1985, algorithm R).

        Afterwards the memory holds every example ever offered with probability M / seen. The published code draws from
        one slot too few, which favours later examples.
        extras: the extras of these examples by name, [S, B, *shape]. Raises ValueError if the names are not those of
        the memory.
        """
        count = batch.labels.shape[1]
        places = self.seen + torch.arange(count, device=batch.labels.device)
        slots = (self.problem.random.uniform(count) * (places + 1)).long()
        slots = torch.where(places < self.size, places, slots).clamp_(max=self.size)
        self._write(self._last_wins(slots), batch, extras)
        self.seen += count
        self.filled = min(self.filled + count, self.size)

    def keep_last(self, recent: Recent, per_class: int) -> None:
        """Ring buffer with `per_class` examples per class: append the last ones of each class of a finished task.

        If a class has fewer examples, the latest remaining examples of other classes fill its slots.
        """
        same = torch.nn.functional.one_hot(recent.labels, self.problem.classes)
        age = (same.flip(1).cumsum(1).flip(1) * same).sum(2)  # 1: the last example of its class; 2: the one before it
        wanted = min(per_class * self.problem.classes, age.shape[1], self.size - self.filled)
        newest = age.sort(dim=1, stable=True).indices[:, :wanted]
        slots = torch.arange(self.filled, self.filled + wanted, device=age.device)
        self._write(slots.expand(self.problem.seeds, -1), recent.take(newest), {})
        self.filled += wanted

    def state(self) -> dict[str, Tensor]:
        """The content of the memory as tensors."""
        counts = torch.tensor([self.filled, int(self.seen)])
        extras = {f"extra.{name}": values for name, values in self.extras.items()}
        return {"images": self.images, "labels": self.labels, "heads": self.heads, "counts": counts} | extras

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore a state that `state` returned."""
        for name in ("images", "labels", "heads"):
            getattr(self, name).copy_(state[name])
        for name, values in self.extras.items():
            values.copy_(state[f"extra.{name}"])
        self.filled, seen = state["counts"].tolist()
        self.seen.fill_(seen)

    def _last_wins(self, slots: Tensor) -> Tensor:
        """Of the examples of a batch with the same slot, discard all but the last, as writing one by one would."""
        equal = slots[:, :, None] == slots[:, None, :]
        overwritten = equal.triu(diagonal=1).any(2)
        return slots.masked_fill(overwritten, self.size)

    def _write(self, slots: Tensor, batch: Batch, extras: Mapping[str, Tensor]) -> None:
        if extras.keys() != self.extras.keys():
            raise ValueError(f"the memory stores {list(self.extras)} with each example, but got {list(extras)}")
        index = (slots + self._first).flatten()
        self.images.flatten(0, 1).index_copy_(0, index, batch.images.flatten(0, 1))
        self.labels.flatten().index_copy_(0, index, batch.labels.flatten())
        self.heads.flatten().index_copy_(0, index, batch.heads.flatten())
        for name, values in extras.items():
            self.extras[name].flatten(0, 1).index_copy_(0, index, values.detach().flatten(0, 1))
