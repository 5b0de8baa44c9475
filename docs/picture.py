"""Draw the README's picture from the potential that a tour has trained.

euclidium tour -o tour.html && python docs/picture.py tour.euclidium docs/_static/silicon.png
"""

import sys
from pathlib import Path

from euclidium.cli.chapter import Tour
from euclidium.cli.tour_phonons import phonons


def main(model: str, output: str) -> None:
    """Compute the phonons of the model, and write bands and density of states as a PNG."""
    chapter = phonons(Tour(Path(model), quick=False))
    Path(output).parent.mkdir(exist_ok=True)
    figure = chapter.section.pictures[0].figure
    figure.savefig(output, dpi=150, facecolor="white")


if __name__ == "__main__":
    main(*sys.argv[1:])
