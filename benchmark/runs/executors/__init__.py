"""Executors decide where units of work are trained. Each is a class in a file of its own and is chosen by name.

A name is the id of a built-in executor (`slurm`), a file (`./my_executor.py`), `package.module:Class`, or an entry
point of the group `clbench.executors` in an installed package. A built-in executor is loaded only when it is chosen;
its requirements are read from the text of its file.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, NoneType
from typing import TYPE_CHECKING

from benchmark.common.loading import attribute, classes_of, file_of, module_of_file, place_of, shown
from benchmark.streams.names import canonical, is_file
from methods.errors import InputError
from methods.literals import class_with_id

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from benchmark.runs.executors.base import Executor

GROUP = "clbench.executors"
FOLDER = Path(__file__).parent
SUITE = FOLDER.parents[1]
CALLS = {"__init__": "self, jobs, options", "manner": "self, units, where", "run": "self, units, where, show"}


@dataclass(frozen=True)
class Description:
    """A built-in executor as described by the text of its file."""

    module: str
    name: str  # class name
    library: str | None  # module that it needs
    extra: str | None  # extra of this package that installs the library


def described(folder: Path) -> dict[str, Description]:
    """The executors in the files of a folder, by id. Raises InputError if a file lacks a literal that it must have."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        text = class_with_id(path)
        if text:
            library, extra = (text.literal(name, (str, NoneType), '"ray"', None) for name in ("library", "extra"))
            found[text.literal("id", str, '"ray"')] = Description(f"{__name__}.{path.stem}", text.name, library, extra)
    return found


EXECUTORS = described(FOLDER)


def installed() -> dict[str, EntryPoint]:
    """The entry points of executors in installed packages, by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def is_code(name: str) -> bool:
    """Whether a name refers to external code: a file, or package.module:Class."""
    return is_file(name) or ":" in name


def check(name: str) -> None:
    """Raises InputError if a built-in executor needs a library that is not installed."""
    needed = EXECUTORS.get(name)
    if needed and needed.library and find_spec(needed.library) is None:
        how = f"pip install 'clbench-table2[{needed.extra}]'"
        raise InputError(f"--executor {name} needs {needed.library}; install it: {how}")


def named(name: str, jobs: int | None = None, options: Mapping[str, str] | None = None) -> Executor:
    """Create the executor with this name. jobs: the largest number of units to train in parallel.

    Raises InputError if it cannot be loaded, is not an executor, or does not take these options.
    """
    check(name)
    cls, options = _loaded(name), dict(options or {})
    _check_interface(cls, name)
    taken = getattr(cls, "options", None)
    for option in options if taken is not None else ():
        if option not in taken:
            raise InputError(f"--executor-option: {name} takes no '{option}'; it takes {', '.join(taken) or 'none'}")
    with errors_told(cls):
        return cls(jobs, options)


@contextmanager
def errors_told(cls: type) -> Iterator[None]:
    """Turn exceptions of an external executor into an InputError that names its file and line.

    Exceptions of the suite's own code, which the executor calls, pass unchanged.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        file = file_of(cls)
        frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        theirs = [name == file for name in frames if name == file or SUITE in Path(name).parents]
        if SUITE in Path(file or "").parents or not (theirs and theirs[-1]):
            raise
        raise InputError(f"--executor: {place_of(error, file)}; finished runs are recorded") from error


def _loaded(name: str) -> type:
    if name in EXECUTORS:
        found = EXECUTORS[name]
        return getattr(import_module(found.module), found.name)
    if is_file(name):
        return _only_executor(module_of_file(canonical(name), "--executor"), name)
    if ":" in name:
        return attribute(*name.split(":", 1), "--executor")
    points = installed()
    if name not in points:
        raise InputError(f"--executor: there is no '{name}', choose from {', '.join([*EXECUTORS, *points])}")
    return attribute(points[name].module, points[name].attr, "--executor")


def _only_executor(module: ModuleType, file: str) -> type:
    classes = classes_of(module)
    executors = [cls for cls in classes if callable(getattr(cls, "run", None))]
    if len(executors) == 1:
        return executors[0]
    held = ", ".join(cls.__name__ for cls in executors or classes) or "none"
    what = "several" if executors else "no such class, but"
    raise InputError(
        f"--executor: {shown(file)} must hold exactly one class with methods manner and run; it holds {what}: {held}"
    )


def _check_interface(cls: object, name: str) -> None:
    if not isinstance(cls, type):
        raise InputError(f"--executor: {name} is not a class; name a class with methods manner and run")
    for call, parameters in CALLS.items():
        try:
            inspect.signature(getattr(cls, call)).bind(*parameters.split(", "))
        except (AttributeError, TypeError, ValueError):
            raise InputError(f"--executor: {name}: {cls.__name__} needs {call}({parameters})") from None
