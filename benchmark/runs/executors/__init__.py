"""Executors: where units of work are trained, one a file, chosen by name.

An executor is named by the id of a built-in one (`slurm`); by a file that holds it (`./my_executor.py`); as
`package.module:Class`; or by an entry point of the group `clbench.executors` of an installed package. What a built-in
one needs is read from the text of its file: it is loaded when it is chosen.
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
    """What the file of a built-in executor says about it."""

    module: str
    name: str  # of its class
    library: str | None
    extra: str | None


def described(folder: Path) -> dict[str, Description]:
    """The executors in the files of a folder by id. Raises InputError where one does not say what it needs."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        text = class_with_id(path)
        if text:
            library, extra = (text.literal(name, (str, NoneType), '"ray"', None) for name in ("library", "extra"))
            found[text.literal("id", str, '"ray"')] = Description(f"{__name__}.{path.stem}", text.name, library, extra)
    return found


EXECUTORS = described(FOLDER)


def installed() -> dict[str, EntryPoint]:
    """The executors of installed packages: entry points by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def is_code(name: str) -> bool:
    """Whether a name means code: a file, or package.module:Class."""
    return is_file(name) or ":" in name


def check(name: str) -> None:
    """Raises InputError where the library that a built-in executor needs is not installed."""
    needed = EXECUTORS.get(name)
    if needed and needed.library and find_spec(needed.library) is None:
        how = f"pip install 'clbench-table2[{needed.extra}]'"
        raise InputError(f"--executor {name} needs {needed.library}; install it: {how}")


def named(name: str, jobs: int | None = None, options: Mapping[str, str] | None = None) -> Executor:
    """The executor of that name; jobs: how many units it trains at a time at most.

    Raises InputError, one line, where it cannot be loaded, is no executor or takes no such options.
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
    """What an external executor of this class raises here becomes an InputError that names its file and line.

    Errors of the suite, which an executor calls and is called by, stay what they are.
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
        f"--executor: {shown(file)} must hold one class with methods manner and run; it holds {what}: {held}"
    )


def _check_interface(cls: object, name: str) -> None:
    if not isinstance(cls, type):
        raise InputError(f"--executor: {name} is no class")
    for call, parameters in CALLS.items():
        try:
            inspect.signature(getattr(cls, call)).bind(*parameters.split(", "))
        except (AttributeError, TypeError, ValueError):
            raise InputError(f"--executor: {name}: {cls.__name__} needs {call}({parameters})") from None
