"""What the files look like: short functions, mirrored tests, nothing true of one machine only."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOT = REPOSITORY / "src" / "euclidium"
SOURCES = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] != "data"
}
LONGEST_FUNCTION = 60  # lines, without the docstring

# Nothing may name one machine, its folders or its network. The letters in brackets keep this file
# from holding what it looks for.
FORBIDDEN = {
    "an absolute path": r"(?<![\w.~/:-])/(?:hom[e]|mn[t]|op[t]|roo[t]|tm[p]|User[s]|wor[k])/\w",
    "a package index": r"inde[x]-url|find-link[s]|\bpyp[i]\.|pythonhoste[d]|npmj[s]|de[b]ian\.org",
    "a numeric address": r"(?<![\w.-])(?!127\.|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}(?![\w.-])",
    "a local address": r"https?://(?:localhos[t]|[\w-]+\.loca[l]|[\w-]+\.interna[l])\b",
    "an internal reference": r"(?i)\bhandboo[k]\b|\bissues? #?\d+\b|\b(?:coding|AI) agen[t]s?\b",
    "a secret": r"-----BEGIN [A-Z ]*PRIVAT[E] KEY|\b(?:gh[pousr]|sk)[_-][A-Za-z0-9]{20,}",
}
HOSTS = {
    "api.figshare.com",
    "arxiv.org",
    "creativecommons.org",
    "docs.e3nn.org",
    "doi.org",
    "github.com",
    "keepachangelog.com",
    "ml.materialsproject.org",
    "ndownloader.figshare.com",
    "opensource.org",
    "semver.org",
    "www.abinit.org",
    "www.quantum-espresso.org",
    "www.w3.org",
}


def tracked_files() -> list[Path]:
    """What git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = (REPOSITORY / name for name in done.stdout.splitlines())
    return [path for path in paths if path.is_file()]


def lines_of_text() -> Iterator[tuple[str, str]]:
    """``file:line`` and the line, of every tracked file that is text."""
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        name = path.relative_to(REPOSITORY).as_posix()
        for number, line in enumerate(content.decode().splitlines(), 1):
            yield f"{name}:{number}", line


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every function with its number of lines, the docstring not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node):
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            yield node.name, lines


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_file_names_one_machine(kind: str):
    pattern = re.compile(FORBIDDEN[kind])
    found = [
        f"{where}: {line.strip()[:80]}" for where, line in lines_of_text() if pattern.search(line)
    ]
    assert not found, f"{kind} stands in\n" + "\n".join(found)


def test_every_link_leads_to_a_known_host():
    found = {
        f"{where}: {host}"
        for where, line in lines_of_text()
        for host in re.findall(r"https?://([^/\s\"'<>)\]`\\]+)", line)
        if host not in HOSTS and not re.match(r"127\.0\.0\.1|\{", host)
    }
    assert not found, "add the host to the list, or drop the link:\n" + "\n".join(sorted(found))


def test_large_files_are_data():
    large = [path for path in tracked_files() if path.stat().st_size > 500_000]
    places = (ROOT / "data", REPOSITORY / "data", REPOSITORY / "docs" / "_static")
    assert all(any(place in path.parents for place in places) for path in large), large


def test_embedded_data_is_small():
    folder = ROOT / "data"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < run_path(str(REPOSITORY / ".ci" / "wheel.py"))["LARGEST_DATA"]


@pytest.mark.parametrize("name", SOURCES)
def test_functions_are_short(name: str):
    long = [
        f"{function}: {lines} lines"
        for function, lines in functions(ast.parse(SOURCES[name].read_text()))
        if lines > LONGEST_FUNCTION
    ]
    assert not long


@pytest.mark.parametrize("name", SOURCES)
def test_files_are_nouns(name: str):
    assert Path(name).stem not in {"utils", "util", "helpers", "misc", "common", "tools", "core"}


@pytest.mark.parametrize("name", SOURCES)
def test_annotations_can_be_checked(name: str):
    """Annotations kept as strings would hide the shapes from the run-time check."""
    assert "from __future__ import annotations" not in SOURCES[name].read_text()


def test_every_file_has_its_test():
    """``src/euclidium/o3/irreps.py`` is tested by ``tests/o3/test_irreps.py``."""
    without = [
        name
        for name, path in SOURCES.items()
        if path.name != "__init__.py"
        and not (REPOSITORY / "tests" / name).with_name(f"test_{path.name}").exists()
    ]
    assert not without
