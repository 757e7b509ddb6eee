"""External streams: a classic benchmark of Avalanche by name, or the function `stream` of a Python file."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import contextlib
import difflib
import hashlib
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import avalanche.benchmarks.classic as classic
from avalanche.benchmarks import CLScenario

from benchmark.common import memory
from benchmark.common.arguments import parameters_of
from benchmark.common.loading import module_of_file, place_of, sheltered, shown
from benchmark.common.seeded import seeded
from benchmark.streams.avalanche.data import known_archive, make, seed_for
from benchmark.streams.names import AVALANCHE
from benchmark.streams.parameters import checked, defaults, written_out
from methods.errors import InputError

Arguments = tuple[tuple[str, object], ...]
"""The given arguments by name, as a record holds them: numbers, truth values, None and text."""


def benchmark_of(spec: str, seed: int, arguments: Arguments, directory: Path | None) -> CLScenario:
    """The benchmark that `spec` makes from a seed and arguments. The last one is cached.

    The global random generators are seeded with the seed while the benchmark is made, and restored afterwards.
    Raises InputError if there is no such stream, an argument does not fit, data are missing, or its code fails.
    """
    return _made(spec, seed, arguments, directory)


@lru_cache(maxsize=1)
def _made(spec: str, seed: int, arguments: Arguments, directory: Path | None) -> CLScenario:
    return made_anew(spec, seed, arguments, directory, seed)


def made_anew(spec: str, seed: int, arguments: Arguments, directory: Path | None, state: int) -> CLScenario:
    """Like benchmark_of, without the cache. state: the seed of the global generators."""
    maker = _maker(spec)
    given = checked(spec, maker, arguments)
    if "seed" in parameters_of(maker):
        given |= seed_for(maker, seed, given) if spec.startswith(AVALANCHE) else {"seed": seed}
    with seeded(state), own_errors(spec, f" (seed {seed})"), sheltered():
        made = make(maker, given, directory) if spec.startswith(AVALANCHE) else maker(**given)
    if not isinstance(made, CLScenario):
        raise InputError(
            f"{shown(spec)}: its function returns a {type(made).__name__}; return an Avalanche benchmark (CLScenario)"
        )
    return made


def check(spec: str, arguments: Arguments) -> None:
    """Raises InputError if there is no such stream or its arguments do not fit."""
    checked(spec, _maker(spec), arguments)


@contextmanager
def own_errors(spec: str, where: str = "") -> Iterator[None]:
    """Inside the block, an exception or exit of a stream's code becomes an InputError that names its file and line.

    where: text after the error. Prints of the code go to standard error, because standard output is for results.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if memory.is_lack(error):
            raise
        raise InputError(f"--stream: {place_of(error, spec)}{where}") from error


def named_arguments(spec: str, given: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a stream as a record holds them: the given ones and the defaults of its function."""
    return written_out(_maker(spec), given)


def default_arguments(spec: str) -> dict[str, object]:
    """The defaults of a stream's function as a record holds them."""
    return defaults(_maker(spec))


def file_digests(spec: str, directory: Path | None) -> dict[str, str]:
    """The digests of the files that determine the stream: the Python file, or data files if their digests are known."""
    if spec.startswith(AVALANCHE):
        return known_archive(_maker(spec), directory)[1]
    return {Path(spec).name: hashlib.sha256(_text(spec)).hexdigest()}


def _text(file: str) -> bytes:
    """The content of the file when it was loaded."""
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
