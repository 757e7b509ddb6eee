"""A Ray cluster for as long as it is needed: connected to, or started on this machine; and the code its nodes run."""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ray

import benchmark
import methods
from benchmark.networks.external import at, file_of
from benchmark.runs.unit import Unit
from benchmark.streams import names
from methods.errors import InputError

STORE = 128 * 2**20
"""Bytes of object store of a Ray of our own: only states pass through it, one at a time."""


@contextmanager
def connected(address: str | None, cpus: int, units: Sequence[Unit]) -> Iterator[None]:
    """This process as a driver of the cluster at `address`, or of a Ray of its own with `cpus` cores, till the end.

    Raises InputError where there is no such cluster.
    """
    own = {} if address else {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": STORE}
    handler = signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory(prefix="clbench-") as folder:
        _copy_code(Path(folder), units)
        try:
            _init(address, folder, own)
            signal.signal(signal.SIGTERM, handler)  # Ray has put one of its own there
            yield
        finally:
            ray.shutdown()


def _init(address: str | None, folder: str, own: dict[str, object]) -> None:
    _check_reachable(address)
    try:
        ray.init(
            address or "local", runtime_env={"working_dir": folder}, log_to_driver=False, logging_level="ERROR", **own
        )
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        told = f"--address: {address}" if address else "a Ray on this machine"
        raise InputError(f"{told} cannot be used: {first_line(error)}") from None
    except SystemExit:  # raised by Ray's handler of SIGTERM
        raise KeyboardInterrupt from None


def _check_reachable(address: str | None) -> None:
    """Raises InputError where nothing listens: Ray itself would try for minutes."""
    if address in (None, "auto"):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--address: no Ray cluster answers at {address} ({error})") from None


def _copy_code(folder: Path, units: Sequence[Unit]) -> None:
    """The source of the suite, and files with methods, streams, probes and networks: every node's directory.

    So all run the driver's code, whatever is installed there.
    """
    for package in (benchmark, methods):
        source = Path(package.__file__).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    specs = {spec for unit in units for spec in (unit.spec, unit.source, *(probe.spec for probe in unit.measure))}
    brought = {*filter(names.is_file, specs), *(file for unit in units if (file := file_of(unit.network)))}
    for spec in brought:
        (folder / sent(spec)).parent.mkdir(parents=True)
        shutil.copy(spec, folder / sent(spec))


def for_node(unit: Unit, seeds: tuple[int, ...]) -> Unit:
    """What is left of a unit, its files named as a node has them."""
    measure = tuple(replace(probe, spec=sent(probe.spec)) for probe in unit.measure)
    places = {"spec": sent(unit.spec), "source": sent(unit.source), "network": sent_network(unit.network)}
    return replace(unit, seeds=seeds, measure=measure, **places)


def sent(spec: str) -> str:
    """What a node loads a method, stream or probe by: a file was sent to this place in a task's directory."""
    if not names.is_file(spec):
        return spec
    return f"plugins/{hashlib.sha256(spec.encode()).hexdigest()[:8]}/{Path(spec).name}"


def sent_network(spec: str) -> str:
    """What a node loads a network by, as `sent`: the function's name stays with the file."""
    file = file_of(spec)
    return spec if file is None else at(spec, sent(file))


def first_line(error: BaseException) -> str:
    """What an error says, for one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
