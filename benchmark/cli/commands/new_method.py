"""new-method: write a template for a method."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.app import app
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError

LONGEST_NAME = 100

TEMPLATE = '''\
"""{title}: describe the method in one line."""

from pydantic import Field

from methods.method import Method
from methods.settings import Rate


class {title}(Method):
    """State the rule, its symbols, its paper, and where this file differs from the paper.

        direction = scale * g,    g = gradient of the mean cross-entropy of the batch
    """

    id = "{id}"  # the folder name of its records
    title = "{title}"  # its name in tables
    # memoryless = True  # True: it keeps no examples of past tasks
    # reference = "the paper of the method"

    class Settings(Method.Settings):
        """Settings of this method, and its defaults for common settings. State the source of each default."""

        learning_rate: Rate = Field(0.1, description="the source of 0.1")
        scale: float = Field(1.0, ge=0, le=100, description="the source of 1.0")

    def direction(self, net, batch):
        """Return what the engine steps against: a gradient, or a tensor [S, P] with a row for each of S seeds."""
        gradient = net.gradient(batch)  # one for each seed; net.theta [S, P] holds the parameters
        return self.settings.scale * gradient.dense()

    def after_phase(self, net, recent):
        """Called at the end of each task. recent.take(positions) returns examples of the task."""

    def state(self):
        """Return all tensors that must outlive a task, by name. A stopped run needs them to continue."""
        return {{}}

    def restore(self, state):
        """Take the tensors that state() returned."""
'''


@app.command("new-method", epilog="Example:\n\npython -m benchmark new-method my_method")
def new_method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and _; the file is NAME.py.")],
) -> None:
    """Write a template for a method of your own. It runs as it is."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise InputError(f"NAME: '{name}' is not valid; use lower-case letters, digits and single _, as in my_method")
    id = name.replace("_", "-")
    if id in METHOD_ROWS:
        raise InputError(f"NAME: '{id}' is a built-in method; choose another name")
    if len(name) > LONGEST_NAME:
        raise InputError(f"NAME: it has {len(name)} characters; use at most {LONGEST_NAME}")
    path = Path(f"{name}.py")
    if not path.exists() and find_spec(name) is not None:
        raise InputError(f"NAME: {path} would hide the existing module '{name}'; choose another name")
    title = "".join(part.capitalize() for part in name.split("_"))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(title=title, id=id))
    except FileExistsError:
        raise InputError(f"NAME: {path} exists already; choose another name, or remove the file") from None
    except OSError as error:
        raise InputError(f"NAME: cannot write {path} ({error.strerror or error})") from None
    print(
        f"wrote {path}; try it:\n"
        f"  python -m benchmark check-method ./{path}\n"
        f"  python -m benchmark run --method ./{path} --stream permuted-digits --seeds 2 --results out/try"
    )
