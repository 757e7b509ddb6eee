"""The methods of the table, one file each; `METHODS` lists them by id in the paper's order."""


def __getattr__(name: str) -> object:
    # Loading the methods imports torch, which takes seconds. Tables and lists of names do not need it.
    if name == "METHODS":
        from methods.registry import METHODS

        return METHODS
    raise AttributeError(f"module 'methods' has no attribute {name!r}")
