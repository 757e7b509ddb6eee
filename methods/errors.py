"""Errors caused by a person's input."""


class InputError(ValueError):
    """An input is wrong. The message is one line that says what is wrong and what to do."""


class UnitError(InputError):
    """An input is wrong for one unit of work only. The command continues with the other units."""
