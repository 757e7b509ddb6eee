"""new-method: a file to start from."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

TEMPLATE = '''\
"""{title}: say here in one line what it does."""

from pydantic import Field

from methods.method import Method
from methods.settings import Rate


class {title}(Method):
    """The rule, its symbols, the paper it comes from and where this file departs from it.

        direction = scale * g,    g = gradient of the mean cross-entropy of the batch
    """

    id = "{id}"  # names the folder of its records
    title = "{title}"  # the name of its rows
    # memoryless = True  # whether it keeps no example of past tasks
    # reference = "the paper it comes from"

    class Settings(Method.Settings):
        """Its own settings, and its own values of common ones; each default beside its source."""

        learning_rate: Rate = Field(0.1, description="the source of 0.1")
        scale: float = Field(1.0, ge=0, le=100, description="the source of 1.0")

    def direction(self, net, batch):
        """What the engine steps against: a gradient, or a tensor [S, P] with one row for each of the S seeds."""
        gradient = net.gradient(batch)  # of each seed's network; net.theta [S, P] holds their parameters
        return self.settings.scale * gradient.dense()

    def after_phase(self, net, recent):
        """Called at the end of each task; recent.take(positions) gives examples of it."""

    def state(self):
        """All tensors that must outlive a task, by name, so that a stopped run can go on; none here."""
        return {{}}

    def restore(self, state):
        """Take back what state() gave."""
'''


@app.command("new-method", epilog="Example:\n\npython -m benchmark new-method my_method")
def new_method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and _; it makes NAME.py.")],
) -> None:
    """Write a starting file for a method of your own, which runs as it is."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise InputError(f"NAME: '{name}' will not do; use small letters, digits and single _, as my_method")
    id = name.replace("_", "-")
    if id in METHOD_ROWS:
        raise InputError(f"NAME: '{id}' is a built-in method; choose another name")
    path = Path(f"{name}.py")
    if not path.exists() and find_spec(name) is not None:
        raise InputError(f"NAME: '{name}' is a module already, whose place {path} would take; choose another name")
    title = "".join(part.capitalize() for part in name.split("_"))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(title=title, id=id))
    except FileExistsError:
        raise InputError(f"NAME: {path} is there already; choose another name, or remove it") from None
    except OSError as error:
        raise InputError(f"NAME: cannot write {path} ({error.strerror or error})") from None
    print(
        f"{path} is written; try it:\n"
        f"  python -m benchmark check-method ./{path}\n"
        f"  python -m benchmark run --method ./{path} --stream permuted-digits --seeds 2 --results out/try"
    )
