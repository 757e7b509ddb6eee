"""Read the arguments of the functions of benchmark.api, by the rules of the command line."""

from __future__ import annotations

import linecache
import operator
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmark.cli import inputs
from benchmark.common.text import printable
from benchmark.streams.names import canonical, is_file
from benchmark.training import external
from methods.errors import InputError

if TYPE_CHECKING:
    from methods.method import Method

PathLike: TypeAlias = "str | os.PathLike[str]"
Setting: TypeAlias = "bool | int | float | str | None"
Methods: TypeAlias = "PathLike | type[Method] | Sequence[PathLike | type[Method]]"
Streams: TypeAlias = "PathLike | Sequence[PathLike]"

_MOST = 1024
"""The largest number of processes, or of threads in a process; the same limit as on the command line."""
_ARGUMENTS = {"method": "methods", "stream": "streams", "set": "settings", "seed": "seeds"}
"""The Python names of options whose name differs on the command line."""


@contextmanager
def told_in_python() -> Iterator[None]:
    """Rewrite the options that an InputError names ("--method") as Python arguments ("methods")."""
    try:
        yield
    except InputError as error:
        said = re.sub(r"--set ([\w.]+)=VALUE", r"settings={'\1': VALUE}", " ".join(str(error).split()))
        said = re.sub(r"(?<![\w/.-])--([a-z]+)\b", lambda option: _ARGUMENTS.get(option[1], option[1]), said)
        raise InputError(printable(said)) from error.__cause__


def methods(given: Methods | None) -> list[str]:
    """The methods as benchmark.training.external names them. An edited file is loaded again."""
    specs = [_method(each) for each in _several("methods", given)]
    if any(_edited(spec) for spec in specs):
        external.forget()
    return specs


def streams(given: Streams | None) -> list[str]:
    """The streams as benchmark.streams.names names them."""
    names = [_name("streams", each) for each in _several("streams", given)]
    for name in filter(_edited, names):
        raise InputError(f"streams: {name} was edited after it was loaded; restart Python (in a notebook: the kernel)")
    return names


def seeds(given: int | Iterable[int]) -> list[int]:
    """The distinct seeds in rising order."""
    if not isinstance(given, Iterable) or isinstance(given, str):
        return inputs.seeds(_integer("seeds", given, 1, inputs.MOST_SEEDS), None)
    singles = sorted({_integer("seeds", each, 0, inputs.LAST_SEED) for each in given})
    if not singles:
        raise InputError("seeds: the list is empty; give the number of seeds, or at least one seed")
    return singles


def count(name: str, given: int | None) -> int | None:
    """A number of processes or threads."""
    return None if given is None else _integer(name, given, 1, _MOST)


def settings(given: Mapping[str, Setting] | None) -> dict[str, object]:
    """The settings to change, by name. NumPy numbers become Python numbers."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"settings: {given!r:.80} is not a dict; give settings by name, for example {{'tasks': 3}}")
    values: dict[str, object] = {}
    for name, value in given.items():
        value = _python(value)
        if not (isinstance(name, str) and isinstance(value, (bool, int, float, str, type(None)))):
            raise InputError(f"settings: {name!r:.80} cannot be {value!r:.80}; give a number, a boolean or text")
        values[name] = value
    return values


def path(name: str, given: object) -> Path:
    """The path, with '~' expanded."""
    if not isinstance(given, (str, os.PathLike)) or not str(given).strip():
        raise InputError(f"{name}: {given!r:.80} is not a path; name a directory")
    return Path(os.path.expanduser(given))


def _python(value: Any) -> object:
    """A NumPy scalar as a Python number; anything else unchanged."""
    return value.item() if getattr(value, "shape", None) == () else value


def _several(name: str, given: object) -> Sequence[object]:
    if given is None:
        return []
    if isinstance(given, (str, os.PathLike, type)):
        return [given]
    if not isinstance(given, Iterable):
        raise InputError(f"{name}: {given!r:.80} is neither a name nor a list of names")
    several = list(given)
    if not several:
        raise InputError(f"{name}: the list is empty; name one, or leave it out for the default")
    return several


def _name(argument: str, given: object) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, os.PathLike):
        return os.path.abspath(os.path.expanduser(os.fspath(given)))  # a Path is always a file, even Path("ewc")
    example = "'ewc'" if argument == "methods" else "'permuted-digits'"
    raise InputError(f"{argument}: {given!r:.80} is not a name; give a text such as {example}")


def _method(given: object) -> str:
    """A name by which every process can load the method."""
    if not isinstance(given, type):
        return _name("methods", given)
    from methods.method import Method
    from methods.registry import METHODS

    if not issubclass(given, Method):
        raise InputError(f"methods: {given.__name__} is not a subclass of methods.method.Method")
    if METHODS.get(getattr(given, "id", "")) is given:
        return given.id
    module = sys.modules.get(given.__module__)
    if module is not None and given.__module__ != "__main__":
        if module.__spec__ is None and module.__file__:  # the suite itself loaded it, from a file given by its path
            return module.__file__
        try:
            if operator.attrgetter(given.__qualname__)(module) is given:
                return f"{given.__module__}:{given.__qualname__}"
        except AttributeError:  # a class defined inside a function
            pass
    raise InputError(
        f"methods: the training processes cannot load {given.__name__} from where it is defined; put it into a file "
        f"of its own and give methods='./{given.__name__.lower()}.py'"
    )


def _edited(name: str) -> bool:
    """Whether a file has changed since it was loaded."""
    if not is_file(name):
        return False
    loaded = linecache.cache.get(canonical(name))
    try:
        return (
            loaded is not None and len(loaded) == 4 and "".join(loaded[2]) != Path(canonical(name)).read_text("utf-8")
        )
    except (OSError, UnicodeDecodeError):
        return False  # loading the file gives the message


def _integer(name: str, given: Any, least: int, most: int) -> int:
    try:
        value = None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        value = None
    if value is None or not least <= value <= most:
        raise InputError(f"{name}: {given!r:.80} is not a whole number from {least} to {most}")
    return value
