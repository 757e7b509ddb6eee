"""A unit of work: runs that are planned to be trained together."""

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

    It holds nothing but names and numbers, so that another process can take it up: a method from elsewhere is
    loaded there again.
    """

    method: str  # its id
    stream: str  # its id
    seeds: tuple[int, ...]
    values: Mapping[str, object]  # of the settings
    cost: float  # how long it takes, in no particular measure
    among: int = 1  # units of the whole command, those that are recorded included
    force: bool = False  # run also what is recorded
    spec: str = ""  # what benchmark.training.external loads the method by, where that is not its id
    source: str = ""  # what benchmark.streams.build builds the stream from, where that is not its id
    measure: tuple[Asked, ...] = ()  # the probes that its runs are measured with
    network: str = ""  # what benchmark.networks.external loads the network by; "": the stream's own

    @property
    def title(self) -> str:
        """For a progress bar."""
        return named(self, self.seeds)

    @property
    def external(self) -> bool:
        """Whether code that is not the suite's runs in its training."""
        names = (self.spec or self.method) not in METHOD_ROWS, from_elsewhere(self.source or self.stream)
        return any(names) or is_code(self.network) or any(probe.external for probe in self.measure)

    @property
    def settings(self) -> Settings:
        """Raises InputError where a method from elsewhere cannot be loaded here."""
        values = dict(self.values) | ({"network": self.network} if self.network else {})
        return settings_of(self.spec or self.method, self.source or self.stream, values)

    def load(self) -> type[Method]:
        """The method's class. Raises InputError where one from elsewhere cannot be loaded here."""
        return method_named(self.spec or self.method)

    def load_network(self) -> NetworkKind | None:
        """The network, where it is not the stream's own. Raises InputError where it cannot be loaded here."""
        return network_named(self.network) if self.network else None

    @property
    def code(self) -> str:
        """The version of the code that decides its numbers."""
        network = self.load_network()
        return code_version(self.load(), network=network and network.source)


def named(unit: Unit, seeds: Sequence[int]) -> str:
    """Some seeds of a unit's method and stream, for people."""
    word, numbers = ("seed" if len(seeds) == 1 else "seeds"), ", ".join(map(str, seeds))
    return f"{unit.method} on {unit.stream}, {word} {numbers}"
