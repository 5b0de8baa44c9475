"""Downloads from a server on this machine, which breaks off, changes its mind, and lies."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms import fetch as module
from euclidium.atoms.fetch import (
    REGISTRY,
    SUMS,
    PublicSet,
    RemoteFile,
    download,
    fetch,
    figshare_files,
)
from euclidium.atoms.problem import DataError

CONTENT = np.random.default_rng(0).bytes(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@dataclass
class Server:
    """What the server has and does, and what was asked of it."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    lengths: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes, of the next answers
    asked: list[str | None] = field(default_factory=list)  # ranges

    def file(self, **more) -> RemoteFile:
        return RemoteFile(f"{self.address}/data.bin", "data.bin", **more)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "PAUSE", 0.0)
    state = Server(files={"/data.bin": CONTENT})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            content, wanted = state.files.get(self.path), self.headers["Range"]
            state.asked.append(wanted)
            self.close_connection = True
            if content is None:
                self.send_error(404, "Not Found")
                return
            first = 0
            if wanted and state.ranges and self.headers["If-Range"] in (None, state.etag):
                first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if first >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if first else 200)
            if first:
                self.send_header(
                    "Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}"
                )
            if state.lengths:
                self.send_header("Content-Length", str(len(content) - first))
            if state.etag:
                self.send_header("ETag", state.etag)
            self.send_header("Connection", "close")
            self.end_headers()
            last = first + state.break_after.pop(0) if state.break_after else None
            self.wfile.write(content[first:last])

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{running.server_address[1]}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    running.shutdown()
    thread.join()
    running.server_close()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file(server, tmp_path):
    seen = []
    path = download(
        server.file(sha256=SHA256, md5=MD5, size=len(CONTENT)), tmp_path, lambda *a: seen.append(a)
    )
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == [SUMS, "data.bin"]
    assert (tmp_path / SUMS).read_text() == f"{SHA256}  data.bin\n"
    assert seen[0] == ("data.bin", 0, len(CONTENT))
    assert seen[-1] == ("data.bin", len(CONTENT), len(CONTENT))
    assert len(seen) > 3
    # what is there is not asked for again
    assert download(server.file(sha256=SHA256), tmp_path) == path
    assert server.asked == [None]


def test_an_interruption_is_gone_on_from(server, tmp_path):
    """Within a call, and in a later one."""
    server.break_after = [400_000, 300_000]
    assert download(server.file(sha256=SHA256), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=400000-", "bytes=700000-"]
    (tmp_path / "data.bin").unlink()
    server.asked.clear()
    server.break_after = [500_000, 0]  # the second brings nothing, so it is given up
    sentence = r"data\.bin broke off after 500000 bytes \(.*\): run it again, it goes on there"
    with pytest.raises(DataError, match=sentence):
        download(server.file(), tmp_path)
    assert names(tmp_path) == [SUMS, "data.bin.part", "data.bin.part.tag"]
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=500000-", "bytes=500000-"]
    assert names(tmp_path) == [SUMS, "data.bin"]


def test_a_server_without_ranges_begins_again(server, tmp_path):
    server.ranges, server.break_after = False, [400_000]
    assert download(server.file(sha256=SHA256), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=400000-"]


def test_a_file_that_changes_meanwhile_begins_again(server, tmp_path):
    server.break_after = [400_000, 0]
    with pytest.raises(DataError, match="broke off after 400000 bytes"):
        download(server.file(), tmp_path)
    other = bytes(reversed(CONTENT))
    server.files["/data.bin"], server.etag = other, '"two"'
    assert download(server.file(), tmp_path).read_bytes() == other


@pytest.mark.parametrize("change", [0, -100_000])
def test_a_part_that_is_whole_or_too_long(server, change, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    server.files["/data.bin"] = CONTENT[: len(CONTENT) + change]
    assert download(server.file(), tmp_path).read_bytes() == server.files["/data.bin"]


def test_without_a_length(server, tmp_path):
    """Only the size in the registry tells that something is missing."""
    server.lengths, server.break_after = False, [400_000]
    path = download(server.file(size=len(CONTENT), sha256=SHA256), tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"sha256": "0" * 64}, rf"data\.bin: try again \(its sha256 is {SHA256}, expected 0000"),
        ({"md5": "1" * 32}, rf"data\.bin: try again \(its md5 is {MD5}, expected 1111"),
        ({"size": 17}, r"data\.bin: try again \(1500000 bytes, expected 17\)"),
    ],
)
def test_what_is_not_what_it_should_be_is_not_kept(server, wrong, sentence, tmp_path):
    with pytest.raises(DataError, match=sentence):
        download(server.file(**wrong), tmp_path)
    assert not (tmp_path / "data.bin").exists()
    assert not (tmp_path / "data.bin.part").exists()


def test_the_first_download_is_the_measure_of_later_ones(server, tmp_path):
    path = download(server.file(), tmp_path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"data\.bin was altered: remove it to download it again"):
        download(server.file(), tmp_path)
    path.unlink()
    server.files["/data.bin"] = b"something else"
    with pytest.raises(DataError, match="is not data.bin: try again"):
        download(server.file(), tmp_path)


def test_what_a_server_refuses(server, tmp_path):
    gone = replace(server.file(), url=f"{server.address}/gone")
    with pytest.raises(
        DataError, match=r"/gone cannot be downloaded: 127\.0\.0\.1 says 404 Not Fo"
    ):
        download(gone, tmp_path)
    with pytest.raises(
        DataError, match=r"cannot reach 127\.0\.0\.1 \(.*\): this needs a network; or"
    ):
        download(RemoteFile("http://127.0.0.1:1/x", "x"), tmp_path)
    with pytest.raises(DataError, match="it is not a web address"):
        download(RemoteFile("file:///etc/passwd", "x"), tmp_path)


def test_an_article_of_figshare(server, tmp_path):
    """Sizes and MD5 sums are those that its interface publishes; links are left out."""
    entry = {
        "name": "data.bin",
        "size": len(CONTENT),
        "download_url": f"{server.address}/data.bin",
        "computed_md5": MD5,
        "is_link_only": False,
    }
    linked = {**entry, "name": "paper", "is_link_only": True}
    server.files["/17"] = json.dumps({"files": [entry, linked]}).encode()
    [found] = figshare_files(17, server.address)
    assert (found.name, found.size, found.md5) == ("data.bin", len(CONTENT), MD5)
    assert download(found, tmp_path).read_bytes() == CONTENT
    server.files["/18"] = json.dumps({"files": [{**entry, "name": "../.bashrc"}]}).encode()
    with pytest.raises(DataError, match="which is no name for a file here"):
        figshare_files(18, server.address)
    server.files["/19"] = b'{"message": "busy"}'
    with pytest.raises(DataError, match="/19 does not list files: 'files'"):
        figshare_files(19, server.address)
    server.files["/20"] = b'{"files": []}'
    with pytest.raises(DataError, match="/20 lists no files"):
        figshare_files(20, server.address)


def test_a_set_of_files(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIGSHARE", server.address)
    server.files["/more.txt"] = b"more"
    files = (server.file(sha256=SHA256), RemoteFile(f"{server.address}/more.txt", "more.txt"))
    listed = {"name": "more.txt", "size": 4, "download_url": f"{server.address}/more.txt"}
    server.files["/5"] = json.dumps({"files": [listed]}).encode()
    registry = {
        "one": PublicSet("one", "two files", "CC0-1.0", "nobody", files),
        "two": PublicSet("two", "an article", "CC0-1.0", "nobody", article=5),
    }
    paths = fetch("one", tmp_path / "new" / "one", registry=registry)
    assert [path.name for path in paths] == ["data.bin", "more.txt"]
    assert len((tmp_path / "new" / "one" / SUMS).read_text().splitlines()) == 2
    assert [path.read_bytes() for path in fetch("two", tmp_path, registry=registry)] == [b"more"]
    with pytest.raises(DataError, match="no public data set 'tow': there are one, two"):
        fetch("tow", tmp_path, registry=registry)


def test_the_registry():
    """Each set says what it is, under what licence, and whom to cite."""
    for name, found in REGISTRY.items():
        assert found.name == name
        assert found.licence
        assert "https://" in found.citation
        assert bool(found.files) != (found.article is not None)
        for file in found.files:
            assert file.url.startswith("https://")
            assert re.fullmatch(r"[\w.-]+", file.name)
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
