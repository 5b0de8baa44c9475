"""What the verb says of public sets, and of a download from a server on this machine."""

import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from euclidium.atoms import fetch
from euclidium.atoms.fetch import REGISTRY, PublicSet, RemoteFile


class Quiet(SimpleHTTPRequestHandler):
    """The files of the current folder, without a log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "set.json").write_text("[]")
    handler = type("Here", (Quiet,), {"directory": None})

    def made(*words: Any) -> Quiet:
        return handler(*words, directory=str(tmp_path / "served"))

    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_list(answer: Callable[..., dict[str, Any]], run: Callable[..., Any]):
    sets = {found["name"]: found for found in answer("data", "fetch", "--list")["sets"]}
    assert set(sets) == set(REGISTRY)
    assert sets["matbench-phonons"]["files"][0]["sha256"].startswith("4db551f2")
    text = run("data", "fetch", "--list").stdout
    assert all(name in text for name in REGISTRY)
    assert "CC-BY-4.0" in text
    assert "doi.org/10.1038/sdata.2018.65" in text


def test_a_download(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[..., dict[str, Any]],
    run: Callable[..., Any],
):
    files = (RemoteFile(f"{address}/set.json", "set.json"),)
    local = PublicSet("local", "a set", "CC0-1.0", "nobody", files, note="it is small")
    monkeypatch.setitem(REGISTRY, "local", local)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    found = answer("data", "fetch", "local")
    assert found["files"] == {"set.json": 2}
    assert (tmp_path / "local" / "set.json").read_text() == "[]"
    assert found["licence"] == "CC0-1.0"
    said = run("data", "fetch", "local", "-o", tmp_path / "other")
    assert "cite     nobody" in said.stdout
    assert "it is small" in said.stdout
    assert (tmp_path / "other" / fetch.SUMS).exists()


def test_what_is_wrong(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    assert "say which data set: phonondb, petretto" in refused("data", "fetch")
    assert "did you mean 'petretto'?" in refused("data", "fetch", "petreto")
    (tmp_path / "file").write_text("")
    assert "it is a file" in refused("data", "fetch", "petretto", "-o", tmp_path / "file")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetch, "FIGSHARE", "http://127.0.0.1:1")
    sentence = refused("data", "fetch", "petretto", "-o", tmp_path / "folder")
    assert "cannot reach 127.0.0.1" in sentence
    assert "this needs a network" in sentence
