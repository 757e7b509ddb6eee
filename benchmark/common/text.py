"""Text for messages: external text made safe for a terminal, and hints after unknown names."""

import difflib
from collections.abc import Collection


def printable(said: object) -> str:
    """The text with '?' for each unprintable character: line breaks, terminal control codes, undecodable bytes."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(said))


def hint(name: str, known: Collection[str], before: str = "") -> str:
    """A hint after an unknown name: the most similar known name with the prefix `before`, else all known names."""
    near = difflib.get_close_matches(name.lower(), known, 1, cutoff=0.5)
    return f"did you mean '{before}{near[0]}'?" if near else f"known are {', '.join(known) or 'none'}"
