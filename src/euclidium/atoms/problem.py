"""What can be wrong with data, and the sentence that says so."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """The data are not what they should be; the message says where, what, and what to do."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the most similar names, or nothing.

    >>> nearest("dft_energi", ["dft_energy", "forces"])
    "; did you mean 'dft_energy'?"
    """
    lower = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), lower, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(lower[c]) for c in close)}?" if close else ""
