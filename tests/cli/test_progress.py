import io
import sys

import pytest
from rich.console import Console

from euclidium.cli.progress import bar, note


def test_quiet_where_nobody_watches(capsys: pytest.CaptureFixture[str]):
    with bar("counting", total=3) as shown:
        for _ in range(3):
            shown.advance()
        assert not shown.live
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_what_is_done_and_the_time_left(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert Console(file=terminal).is_terminal
    with bar("counting", total=2) as shown:
        assert shown.live
        shown.set(1, "half of it")
    assert "half of it" in terminal.getvalue()
    assert "left" in terminal.getvalue()


def test_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]):
    note("done")
    assert capsys.readouterr() == ("", "done\n")
