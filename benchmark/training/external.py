"""Methods by name: the suite's own, and those from elsewhere, which are code and run with all rights of the caller.

A method is named by a built-in id (`ewc`); by a file that holds it (`./my_method.py`); as `package.module:Class`;
`avalanche:NAME`, a strategy of Avalanche; or by an entry point of the group `clbench.methods` of an installed
package. What takes time to import is imported where it is needed, for the command line's help needs none of it.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.util import decode_source, find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmark.stream_names import AVALANCHE, canonical, is_file, split, stream_id, with_arguments
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from methods.method import Method
    from methods.settings import Settings

GROUP = "clbench.methods"


def installed() -> dict[str, EntryPoint]:
    """The methods of installed packages: entry points by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def is_code(spec: str) -> bool:
    """Whether a name means code: a file, package.module:Class or avalanche:NAME."""
    return is_file(spec) or ":" in spec


def method_named(spec: str) -> type[Method]:
    """The class of a method; the same one, as it was loaded first, for the life of the process.

    Raises InputError, one line that names file, line and error, where it cannot be loaded or is no method.
    """
    if spec in METHOD_ROWS:
        from methods.registry import METHODS

        return METHODS[spec]
    if spec.startswith(AVALANCHE):
        from benchmark.avalanche_rows import strategy_named

        return strategy_named(spec)
    return _external(canonical(spec))


def distinct(specs: Sequence[str]) -> dict[str, type[Method]]:
    """The classes by name. Raises InputError where two of them share an id, under which runs are recorded."""
    methods, ids = {spec: method_named(spec) for spec in specs}, {}
    for spec, method in methods.items():
        if method.id in ids:
            both = f"{shown(ids[method.id])} and {shown(spec)}"
            raise InputError(f"--method: {both} share the id '{method.id}'; give one of them another")
        ids[method.id] = spec
    return methods


def settings_of(spec: str, stream: str, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings of a method on a stream, as methods.settings.settings_for; a built-in one is not loaded.

    stream: of the suite, or from elsewhere as benchmark.stream_names names it; then its arguments are among them.
    """
    from methods.settings import settings_for

    arguments, others = split(stream, overrides or {})
    if spec in METHOD_ROWS:
        settings = settings_for(spec, stream_id(stream), others)
    else:
        from benchmark.record import unrecordable

        method = method_named(spec)
        settings = settings_for(method.id, stream_id(stream), others, method.Settings)
        name = unrecordable(settings)  # told now, for a record is made when all is trained
        if name is not None:
            raise InputError(f"--set: '{name}' cannot be recorded: it should be at most 500 printable characters")
    return with_arguments(settings, arguments)


def sources_of(spec: str, stream: str) -> dict[str, str]:
    """Where the value of each setting comes from, as methods.settings.sources_for."""
    from methods.settings import sources_for

    if spec in METHOD_ROWS:
        return sources_for(spec, stream_id(stream))
    method = method_named(spec)
    return sources_for(method.id, stream_id(stream), method.Settings)


def id_of(spec: str) -> str:
    """The id under which a method's runs are recorded."""
    return spec if spec in METHOD_ROWS else method_named(spec).id


@contextmanager
def errors_told(method: type[Method]) -> Iterator[None]:
    """What a method from elsewhere raises here becomes an InputError that names its file and line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if method.__module__.partition(".")[0] in ("benchmark", "methods"):
            raise  # the suite's own defect
        raise InputError(
            f"{place_of(error, file_of(method))}; its run ends here, finished runs are "
            "recorded and the same command goes on from there; python -m benchmark check-method may tell more"
        ) from error


def place_of(error: BaseException, file: str | None) -> str:
    """'my_method.py, line 7: NameError: ...': the last line of `file` that the error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    reason = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, reason = [error.lineno], error.msg
    where = f"{shown(file)}, line {lines[-1]}" if lines else shown(file)
    text = " ".join(f"{type(error).__name__}: {reason}".split())
    return f"{where}: {''.join(letter if letter.isprintable() else ' ' for letter in text[:300])}"


def file_of(method: type[Method]) -> str | None:
    """The file that holds a method."""
    return getattr(sys.modules[method.__module__], "__file__", None)


def shown(file: str | None) -> str:
    """A path for people: from the current directory where it lies below."""
    here = Path.cwd()
    return str(Path(file).relative_to(here)) if file and Path(file).is_relative_to(here) else str(file)


@cache
def _external(spec: str) -> type[Method]:
    from benchmark.interface import check

    if is_file(spec):
        method = _only_method(module_of_file(spec), spec)
    elif ":" in spec:
        method = _attribute(*spec.split(":", 1))
    elif spec in (points := installed()):
        method = _attribute(points[spec].module, points[spec].attr)
    else:
        raise InputError(f"there is no method '{spec}'; python -m benchmark list shows them")
    check(method)
    return method


def module_of_file(file: str, option: str = "--method") -> ModuleType:
    """Run a file as a module of its own.

    Its text is kept as it was read: the code's version, and lines that errors name, are those of the code that
    runs, should the file be edited meanwhile.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{option}: cannot read {shown(file)} ({error.strerror}); name a Python file") from None
    module = ModuleType(f"clbench_{Path(file).stem}_{sha256(file.encode()).hexdigest()[:8]}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    folder = os.path.dirname(file)
    if folder not in sys.path:
        sys.path.append(folder)  # last: what lies beside the file may be imported, and take the place of nothing
    try:
        exec(compile(content, file, "exec"), module.__dict__)
        text = decode_source(content)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise InputError(f"{option}: {place_of(error, file)}") from error
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return module


def _only_method(module: ModuleType, file: str) -> type[Method]:
    from methods.method import Method

    classes = [value for value in vars(module).values()
               if isinstance(value, type) and value.__module__ == module.__name__]
    methods = [cls for cls in classes if issubclass(cls, Method)]
    if len(methods) == 1:
        return methods[0]
    held = ", ".join(cls.__name__ for cls in methods or classes) or "none"
    what = "subclasses of Method" if methods else "no subclass of methods.method.Method, but classes"
    raise InputError(f"--method: {shown(file)} must hold one subclass of Method; it holds {what}: {held}")


def _attribute(module: str, path: str) -> type[Method]:
    from methods.method import Method

    file = None
    try:
        found = find_spec(module)
        if found is None:
            raise ModuleNotFoundError(f"No module named '{module}'")
        file, value = found.origin, importlib.import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
    except (Exception, SystemExit) as error:
        raise InputError(f"--method: {module}:{path}: {place_of(error, file) if file else error}") from error
    if not (isinstance(value, type) and issubclass(value, Method)):
        raise InputError(f"--method: {module}:{path} is no subclass of methods.method.Method")
    return value
