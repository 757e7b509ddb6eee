"""Foreign text, such as the name of a file, made fit for one line on a terminal; what to say after an unknown name."""

import difflib
from collections.abc import Collection


def printable(said: object) -> str:
    """The text with '?' for whatever does not print: line breaks, what steers a terminal, bytes that are no text."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(said))


def hint(name: str, known: Collection[str], before: str = "") -> str:
    """What to say after an unknown name: the nearest known one, with `before` before it, or all of them."""
    near = difflib.get_close_matches(name.lower(), known, 1, cutoff=0.5)
    return f"did you mean '{before}{near[0]}'?" if near else f"known are {', '.join(known) or 'none'}"
