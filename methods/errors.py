"""The errors that a person's input can cause."""


class InputError(ValueError):
    """Something given by a person is wrong; its message is one line that says what and what to do about it."""


class UnitError(InputError):
    """What is wrong concerns one unit of work alone: the other units of a command go on."""
