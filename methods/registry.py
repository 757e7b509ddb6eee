"""The classes of the built-in methods by id, in the order of the table. Importing this module loads all of them."""

from importlib import import_module

from methods.catalogue import DESCRIPTIONS
from methods.method import Method

METHODS: dict[str, type[Method]] = {
    id: getattr(import_module(each.module), each.name) for id, each in DESCRIPTIONS.items()
}
