"""Foreign text, such as the name of a file, made fit for one line on a terminal."""


def printable(said: object) -> str:
    """The text with '?' for whatever does not print: line breaks, what steers a terminal, bytes that are no text."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(said))
