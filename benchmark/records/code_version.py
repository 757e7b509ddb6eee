"""Versions of the code that a record's numbers come from."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterable
from functools import cache
from types import ModuleType

from methods.method import Method

RESULTS_VERSION = 1
"""Raised by hand in each commit that changes the numbers of a run. Runs with an older version are then repeated."""

DESCRIPTIVE = frozenset({"title", "memoryless", "reference", "order", "stream_settings"})
"""Attributes that describe a method. They do not affect the numbers: a record holds all settings of its run."""

EQUAL = {
    "1-354d33a61004": "1-3f4594d5c580",  # methods/naive.py
    "1-9fcf59ad0481": "1-aaa1378a1bb0",  # methods/agem.py
    "1-cd7bfd7f2ad1": "1-286fb7db9b96",  # methods/er_reservoir.py
    "1-a76e91d66b45": "1-26a5620765d8",  # methods/stable_sgd.py
    "1-603898be2605": "1-5ebbac96f8f4",  # methods/multitask.py
}
"""Versions that give the same bits as an older version, each with the older one. Records keep the older name.

tests/records/test_code_version.py proves this: the files differ only in `step_kind`, which returns what a table of the
suite contained before, and the runs are equal bit for bit. An entry is valid for one RESULTS_VERSION.
"""


@cache  # the running code is the loaded code, even if the file is edited later
def code_version(method: type, base: type = Method, network: ModuleType | None = None) -> str:
    """The version of the code that decides a run's numbers: RESULTS_VERSION and a digest of the method's source.

    base: the class of the suite from which the method inherits; its source and that of its bases are not in the digest.
    network: the module of an external network; the digest of its source is appended.

    Comments, docstrings, layout and the version of Python do not change the digest. Neither do the literal attributes
    that describe a class (DESCRIPTIVE), unless its source reads them. A version in EQUAL gets its older name.
    """
    version = f"{RESULTS_VERSION}-{digest(_sources(method, base))}"
    version = EQUAL.get(version, version)
    return version if network is None else f"{version}-{digest([('', inspect.getsource(network))])}"


def digest(sources: Iterable[tuple[str, str]]) -> str:
    """A digest of 12 hex digits of the code of classes. sources: the name and the text of the file of each class."""
    trees = [(name, ast.parse(text)) for name, text in sources]
    bare = [_without(tree, name, DESCRIPTIVE) for name, tree in trees]
    ignored = DESCRIPTIVE - {name for tree in bare for name in _read(tree)}
    sha = hashlib.sha256()
    for name, tree in trees:
        sha.update(_skeleton(_without(tree, name, ignored)).encode())
    return sha.hexdigest()[:12]


def _sources(method: type, base: type) -> list[tuple[str, str]]:
    classes = method.__mro__[: method.__mro__.index(base)]
    return [(cls.__name__, inspect.getsource(inspect.getmodule(cls))) for cls in classes]


def _without(tree: ast.Module, name: str, attributes: Iterable[str]) -> ast.Module:
    """The file without the literal assignments to these attributes of the class."""
    return ast.Module(
        [
            ast.ClassDef(**dict(ast.iter_fields(node)) | {"body": [e for e in node.body if not _is(e, attributes)]})
            if isinstance(node, ast.ClassDef) and node.name == name
            else node
            for node in tree.body
        ],
        tree.type_ignores,
    )


def _is(statement: ast.stmt, attributes: Iterable[str]) -> bool:
    """Whether the statement only assigns a literal to one of these attributes."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            return value is not None and name in attributes and _is_literal(value)
    return False


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError):
        return False
    return True


def _read(tree: ast.Module) -> Iterable[str]:
    """All names by which the code may read an attribute."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)):
                yield name


def _skeleton(node: object) -> str:
    """The syntax tree as text, without docstrings and empty fields: some versions of Python lack empty fields."""
    if isinstance(node, list):
        return "".join(_skeleton(item) for item in node if not _is_docstring(item))
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({','.join(f'{name}={_skeleton(value)}' for name, value in fields)})"


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
