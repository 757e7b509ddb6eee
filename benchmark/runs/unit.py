"""A unit of work: runs that are trained together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.networks.external import is_code, network_named
from benchmark.networks.registry import NetworkKind
from benchmark.records.code_version import code_version
from benchmark.streams.names import from_elsewhere
from benchmark.training.external import method_named, settings_of
from benchmark.training.probes import Asked
from methods.catalogue import METHOD_ROWS
from methods.settings import Settings

if TYPE_CHECKING:
    from methods.method import Method


@dataclass(frozen=True)
class Unit:
    """Runs of one method on one stream that are trained together.

    A unit holds only names and numbers, so that it can be sent to another process, which loads external code again.
    """

    method: str  # id
    stream: str  # id
    seeds: tuple[int, ...]
    values: Mapping[str, object]  # the settings
    cost: float  # relative duration, without a unit
    among: int = 1  # number of units of the whole command, recorded ones included
    force: bool = False  # train recorded runs too
    spec: str = ""  # the method's name for benchmark.training.external, if it differs from the id
    source: str = ""  # the stream's name for benchmark.streams.build, if it differs from the id
    measure: tuple[Asked, ...] = ()  # the probes
    network: str = ""  # the network's name for benchmark.networks.external; "": the stream's own network

    @property
    def title(self) -> str:
        """The name of the unit for messages and progress bars."""
        return named(self, self.seeds)

    @property
    def external(self) -> bool:
        """Whether training this unit runs external code."""
        names = (self.spec or self.method) not in METHOD_ROWS, from_elsewhere(self.source or self.stream)
        return any(names) or is_code(self.network) or any(probe.external for probe in self.measure)

    @property
    def settings(self) -> Settings:
        """The settings. Raises InputError if an external method cannot be loaded here."""
        values = dict(self.values) | ({"network": self.network} if self.network else {})
        return settings_of(self.spec or self.method, self.source or self.stream, values)

    def load(self) -> type[Method]:
        """The method's class. Raises InputError if an external method cannot be loaded here."""
        return method_named(self.spec or self.method)

    def load_network(self) -> NetworkKind | None:
        """The network; None for the stream's own. Raises InputError if it cannot be loaded here."""
        return network_named(self.network) if self.network else None

    @property
    def code(self) -> str:
        """The version of the code that determines the numbers of the runs."""
        network = self.load_network()
        return code_version(self.load(), network=network and network.source)


def named(unit: Unit, seeds: Sequence[int]) -> str:
    """Method, stream and some seeds of a unit as text: "ewc on permuted-mnist, seeds 0, 1"."""
    word, numbers = ("seed" if len(seeds) == 1 else "seeds"), ", ".join(map(str, seeds))
    return f"{unit.method} on {unit.stream}, {word} {numbers}"
