"""Avalanche's own strategies as rows of the table: --method avalanche:LwF trains by Avalanche's own loop."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

import difflib
from functools import cache

import avalanche.training.supervised as supervised
from avalanche.training.supervised import JointTraining
from avalanche.training.templates import SupervisedTemplate

from benchmark.streams.build import Stream
from benchmark.streams.names import AVALANCHE
from benchmark.training.avalanche import fit
from benchmark.training.avalanche.arguments import settings_model
from benchmark.training.avalanche.patches import Patched
from benchmark.training.avalanche.requirements import ALIASES, REQUIREMENTS, accepted
from benchmark.training.avalanche.run import Trained
from methods.errors import InputError
from methods.method import Method
from methods.settings import Settings


class AvalancheStrategy(Trained, Patched, Method):
    """A strategy of avalanche.training.supervised; what it does is told by its own documentation.

    Subclasses are made by `strategy_named`: `strategy` is Avalanche's class, `Settings` has its arguments.
    """

    memoryless = None
    strategy: type[SupervisedTemplate]

    @classmethod
    def phases(cls, tasks: int) -> list[tuple[int, ...]]:
        """One task after another; all at once for joint training."""
        return [tuple(range(tasks))] if issubclass(cls.strategy, JointTraining) else super().phases(tasks)

    @classmethod
    def check_fit(cls, settings: Settings, stream: Stream) -> None:
        """Raises InputError, one line, where the strategy cannot be trained on the stream, or would do nothing."""
        fit.check(cls.strategy.__name__, settings, stream)


@cache
def strategy_named(spec: str) -> type[AvalancheStrategy]:
    """The method of `avalanche:NAME`. Raises InputError where Avalanche has no such strategy, or it cannot run."""
    name = spec.removeprefix(AVALANCHE)
    name = ALIASES.get(name, name)
    if name not in REQUIREMENTS:
        lower = {one.lower(): one for one in accepted()}
        near = difflib.get_close_matches(name.lower(), lower, 1)
        hint = f"did you mean '{AVALANCHE}{lower[near[0]]}'?" if near else f"it has {', '.join(sorted(accepted()))}"
        raise InputError(f"--method: Avalanche has no strategy '{name}', {hint}")
    if REQUIREMENTS[name].refused:
        raise InputError(f"--method: {AVALANCHE}{name} cannot run here: {REQUIREMENTS[name].refused}")
    strategy = getattr(supervised, name)
    return type(
        f"Avalanche{name}",
        (AvalancheStrategy,),
        {
            "__module__": __name__,
            "__doc__": strategy.__doc__,
            "id": AVALANCHE + name,
            "title": f"{name} (Avalanche)",
            "reference": f"avalanche.training.supervised.{name}",
            "strategy": strategy,
            "Settings": settings_model(strategy),
        },
    )
