import time
from pathlib import Path

from euclidium.cli.chapter import Chapter, Finding, Tour, picture, timed
from euclidium.plot.canvas import canvas
from euclidium.plot.page import Section


def test_a_chapter_knows_how_long_it_took():
    def write(tour: Tour) -> Chapter:
        time.sleep(0.02)
        assert tour.quick
        return Chapter("nap", Section("A nap"), {}, (Finding("rest", 0.02, "s"),), ())

    chapter = timed(write, Tour(Path("none.euclidium"), quick=True))
    assert chapter.seconds >= 0.02
    assert chapter.cpu_seconds < chapter.seconds
    assert chapter.findings[0].reference is None


def test_a_picture_holds_the_figure_of_its_axes():
    axes = canvas()[0]
    assert picture(axes, "empty").figure is axes.figure
