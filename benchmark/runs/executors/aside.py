"""The queue of units that are still to be tried."""

import random
import time
from collections.abc import Sequence

from benchmark.runs.progress import Notice, Watch
from benchmark.runs.unit import Unit


class Aside:
    """Units to try: at first all, later those that another process computes. True while there are any."""

    def __init__(self, units: Sequence[Unit], show: Watch) -> None:
        self._units: list[tuple[int, Unit]] = list(enumerate(units))
        self._show, self._when, self._told = show, 0.0, False

    def __bool__(self) -> bool:
        return bool(self._units)

    def put(self, index: int, unit: Unit | None) -> None:
        """Add a unit to try later. Does nothing for None."""
        if unit is not None:
            self._units.append((index, unit))

    def due(self, waiting: bool) -> list[tuple[int, Unit]]:
        """The units to try now. waiting: the caller has nothing else to do, so wait until units are due."""
        if waiting and self._units and self._when and not self._told:
            runs, self._told = sum(len(unit.seeds) for _, unit in self._units), True
            self._show(Notice(f"waiting for another command, which computes {runs} of these runs"))
        left = self._when - time.monotonic()
        if left > 0:
            if not waiting:
                return []
            time.sleep(left)
        self._when = time.monotonic() + random.uniform(0.5, 1.5)  # random: two processes must not retry in step
        units, self._units = self._units, []
        return units
