"""What the documents show is true: Python runs, YAML is a valid configuration, commands exist."""

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

import pytest
import typer

from euclidium.cli.main import app
from euclidium.train import load_config

REPOSITORY = Path(__file__).parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"
DOCUMENTS = [
    "README.md",
    *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str) -> Iterator[tuple[str, int, str]]:
    """Language, line and text of every fenced block."""
    text = (REPOSITORY / document).read_text()
    for match in FENCE.finditer(text):
        yield match[1], text.count("\n", 0, match.start()) + 2, match[2]


def verbs(command: typer.core.TyperGroup) -> Iterator[tuple[str, ...]]:
    """Every verb of the command line: ("train",), ("data", "list"), …"""
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from ((name, *rest) for rest in verbs(child))
        else:
            yield (name,)


def commands(document: str) -> Iterator[list[str]]:
    """The words of every shell command that a document shows, one list each."""
    for language, _, text in blocks(document):
        if language == "bash":
            for line in text.splitlines():
                yield from (shlex.split(part, comments=True) for part in line.split("&&"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run_in_order(document: str, folder: Path):
    """YAML blocks are written to the file that their first line names, Python blocks executed."""
    namespace = {"__name__": document}
    for language, line, text in blocks(document):
        if language == "yaml":
            name = text.partition("\n")[0].removeprefix("# ")
            (folder / name).write_text(text)
        if language == "python":
            # empty lines, so that a traceback shows the line of the document
            exec(compile("\n" * (line - 1) + text, REPOSITORY / document, "exec"), namespace)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_configurations_are_valid(document: str, folder: Path):
    for language, line, text in blocks(document):
        if language == "yaml":
            name = text.partition("\n")[0]
            assert re.fullmatch(r"# [\w-]+\.yaml", name), f"line {line}: the first names the file"
            (folder / "config.yaml").write_text(text)
            (folder / "train_300K.xyz").touch()
            load_config(folder / "config.yaml")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist(document: str):
    known = set(verbs(typer.main.get_command(app)))
    for words in commands(document):
        if words[0] == "euclidium":
            starts = {tuple(words[1:2]), tuple(words[1:3]), tuple(words[1:4])}
            # `phonons MODEL STRUCTURE` is short for `phonons bands MODEL STRUCTURE`
            starts |= {("phonons", "bands")} if words[1] == "phonons" else set()
            assert starts & known, " ".join(words)
        else:
            scripts = [["python", f"benchmarks/{p.name}"] for p in BENCHMARKS.glob("*.py")]
            known_starts = (["python", "-m"], ["pytest"], ["bash", ".ci/run"], *scripts)
            assert any(words[: len(start)] == start for start in known_starts), " ".join(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_options_exist(document: str):
    """Every option in a command is one that the verb's ``--help`` lists."""
    group = typer.main.get_command(app)
    for words in commands(document):
        if words[0] != "euclidium":
            continue
        command = group.commands[words[1]]
        depth = 2
        while hasattr(command, "commands"):
            # the group of phonons has a default verb, which takes other words as its arguments
            name = words[depth] if words[depth] in command.commands else "bands"
            command, depth = command.commands[name], depth + 1
        options = {name for parameter in command.params for name in parameter.opts}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given - {"--help"} <= options, " ".join(words)


def test_every_verb_is_documented():
    text = (REPOSITORY / "docs" / "commands.md").read_text()
    shown = {" ".join(verb) for verb in verbs(typer.main.get_command(app))}
    assert not [verb for verb in shown if f"`euclidium {verb}" not in text]


def test_extras_are_documented():
    text = (REPOSITORY / "docs" / "start.md").read_text()
    extras = metadata("euclidium").get_all("Provides-Extra")
    assert not [name for name in extras if f"| `{name}` |" not in text]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str):
    path = REPOSITORY / document
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target
