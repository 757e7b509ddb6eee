"""Streams from elsewhere: an Avalanche classic benchmark by name, or the function `stream` of a Python file."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import difflib
import hashlib
import inspect
import linecache
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import avalanche.benchmarks.classic as classic
from avalanche.benchmarks import CLScenario

from benchmark.common.arguments import fitted, parameters_of
from benchmark.common.loading import module_of_file, place_of, shown
from benchmark.common.seeded import seeded
from benchmark.streams.avalanche.data import known_archive, make
from benchmark.streams.names import AVALANCHE
from methods.errors import InputError

Arguments = tuple[tuple[str, object], ...]
"""The arguments that a person gave, by name, as they stand in a record: numbers, truth values, None and text."""


def benchmark_of(spec: str, seed: int, arguments: Arguments, directory: Path | None) -> CLScenario:
    """The benchmark that `spec` makes of a seed and arguments; the same one if asked again at once.

    Random numbers that it takes from the global generators come from the seed, and leave them as they were.
    Raises InputError where there is no such stream, an argument does not fit, data are missing, or it fails.
    """
    return _made(spec, seed, arguments, directory)


@lru_cache(maxsize=1)
def _made(spec: str, seed: int, arguments: Arguments, directory: Path | None) -> CLScenario:
    maker = _maker(spec)
    given = {"seed": seed} if "seed" in parameters_of(maker) else {}
    given |= fitted(maker, dict(arguments), "stream", ("seed", "dataset_root"), shown(spec))
    with seeded(seed):
        try:
            made = make(maker, given, directory) if spec.startswith(AVALANCHE) else maker(**given)
        except InputError:
            raise
        except Exception as error:  # it is a person's own code, or Avalanche's for what a person asked
            raise InputError(f"--stream: {place_of(error, spec)} (seed {seed})") from error
    if not isinstance(made, CLScenario):
        raise InputError(f"{shown(spec)}: its function gives a {type(made).__name__}, not an Avalanche benchmark")
    return made


def file_digests(spec: str, directory: Path | None) -> dict[str, str]:
    """Digests of the files that decide the stream, as far as they are known: data files, or the Python file."""
    if spec.startswith(AVALANCHE):
        return known_archive(_maker(spec), directory)[1]
    return {Path(spec).name: hashlib.sha256(_text(spec)).hexdigest()}


def _text(file: str) -> bytes:
    """The file as it was read when it was loaded."""
    _from_file(file)
    return "".join(linecache.getlines(file)).encode()


def _maker(spec: str) -> Callable[..., object]:
    return _classic(spec) if spec.startswith(AVALANCHE) else _from_file(spec)


def _classic(spec: str) -> Callable[..., object]:
    makers = {name: value for name, value in vars(classic).items() if inspect.isfunction(value) and name[0].isupper()}
    name = spec.removeprefix(AVALANCHE)
    if name in makers:
        return makers[name]
    lower = {known.lower(): known for known in makers}
    near = difflib.get_close_matches(name.lower(), lower, 1)
    hint = f"did you mean '{AVALANCHE}{lower[near[0]]}'?" if near else f"it has {', '.join(sorted(makers))}"
    raise InputError(f"--stream: Avalanche has no benchmark '{name}', {hint}")


@lru_cache
def _from_file(file: str) -> Callable[..., object]:
    module = module_of_file(file, "--stream")
    maker = getattr(module, "stream", None)
    if not callable(maker):
        raise InputError(
            f"--stream: {shown(file)} has no function stream(seed, ...): write one that returns an Avalanche benchmark"
        )
    return maker
