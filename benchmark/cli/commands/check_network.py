"""check-network: does an external network do what the suite asks of it?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli import inputs
from benchmark.cli.app import app
from benchmark.cli.options import Changes, Data
from benchmark.networks.registry import NETWORKS
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.training.network_conformance import Trial

TASKS, EXAMPLES, TESTS = 2, 43, 20
"""Of the streams that a network is tried on: the last of its batches of 10 holds 3."""


@app.command(
    "check-network",
    epilog=(
        "Examples:\n\n"
        "python -m benchmark check-network ./net.py\n\n"
        "python -m benchmark check-network ./net.py --stream split-cifar100 --set network.width=64"
    ),
)
def check_network(
    network: Annotated[
        str,
        typer.Argument(metavar="NETWORK", help="As for run --network: ./file.py, ./file.py:function, module:function."),
    ],
    stream: Annotated[str, typer.Option(metavar="ID", help="Whose examples to try it on.")] = "permuted-digits",
    set: Changes = None,
    data: Data = None,
) -> None:
    """Try a network on a few examples of a stream: a line for each thing that the suite asks of it, in seconds.

    Exit code 1 where something does not hold.
    """
    (source,), changes = inputs.streams([stream], ()), inputs.changes(set, network)
    if changes["network"] in NETWORKS:
        raise InputError(f"NETWORK: {network} is the suite's own; name one of yours: check-network ./net.py")
    trial = _trial(source, changes, data)
    from benchmark.training.network_conformance import findings

    failed = 0
    for finding in findings(trial):
        print(finding, flush=True)
        failed += finding.why is not None
    print(f"{failed} failed" if failed else "all hold")
    raise typer.Exit(1 if failed else 0)


def _trial(source: str, changes: Mapping[str, object], data: Path | None) -> Trial:
    from benchmark.networks.external import network_named
    from benchmark.training.external import settings_of

    kind = network_named(str(changes["network"]))
    settings_of("naive", source, changes)  # a mistyped argument is told before the stream is built
    from benchmark.streams.build import build, kind_named
    from benchmark.streams.names import arguments_of
    from benchmark.training.network_conformance import Trial, few

    tasks = min(TASKS, kind_named(source, 0, changes, data).tasks)
    small = {"tasks": tasks, "train_examples": EXAMPLES, "batch_size": 10, "learning_rate": 0.01}
    settings = settings_of("naive", source, small | dict(changes))
    whole = (settings.tasks, settings.train_examples, data, arguments_of(settings))
    return Trial(kind, [few(build(source, seed, *whole), TESTS) for seed in (0, 1)], settings)
