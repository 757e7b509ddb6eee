"""Which code a record's numbers come from."""

from __future__ import annotations

import ast
import hashlib
import inspect
from types import ModuleType

from methods.method import Method

RESULTS_VERSION = 1
"""Raised by hand whenever a change of the suite changes the numbers of a run; older records are then run again."""


def code_version(method: type[Method], network: ModuleType | None = None) -> str:
    """Names the code that decides a run's numbers: RESULTS_VERSION and a digest of the method's own source.

    network: the module that holds an external network; a digest of its source follows. Comments, docstrings and layout
    do not count, nor does the version of Python.
    """
    digest = hashlib.sha256()
    for cls in method.__mro__[: method.__mro__.index(Method)]:
        digest.update(_source(inspect.getmodule(cls)))
    version = f"{RESULTS_VERSION}-{digest.hexdigest()[:12]}"
    return version if network is None else f"{version}-{hashlib.sha256(_source(network)).hexdigest()[:12]}"


def _source(module: ModuleType) -> bytes:
    return _skeleton(ast.parse(inspect.getsource(module))).encode()


def _skeleton(node: object) -> str:
    """The syntax tree as text, without docstrings and without fields that only some versions of Python have."""
    if isinstance(node, list):
        return "".join(_skeleton(item) for item in node if not _is_docstring(item))
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({','.join(f'{name}={_skeleton(value)}' for name, value in fields)})"


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
