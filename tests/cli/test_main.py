import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from ase import Atoms
from typer.testing import Result

from euclidium import __version__
from euclidium.cli.main import app, exit_code, sentence

VERBS = ("tour", "train", "evaluate", "predict", "md", "phonons", "info", "config", "data")

Run = Callable[..., Result]
Refused = Callable[..., str]
Shell = Callable[..., "subprocess.CompletedProcess[str]"]


# what is there


def test_help_names_every_verb(run: Run):
    result = run("--help")
    assert result.exit_code == 0
    assert all(f" {verb} " in result.stdout for verb in VERBS)
    assert run().stdout.split() == result.stdout.split()  # no verb at all asks for help, too


@pytest.mark.parametrize("verb", [*VERBS, "data list", "data export", "phonons bands"])
def test_every_verb_has_help(verb: str, run: Run):
    result = run(*verb.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    if verb != "data":
        assert "--json" in result.stdout


def test_every_option_says_what_it_does():
    def commands(group: object) -> list[object]:
        inner = getattr(group, "commands", {}).values()
        return [group, *(c for child in inner for c in commands(child))]

    for command in commands(typer.main.get_command(app)):
        silent = [p.name for p in command.params if not getattr(p, "help", None)]
        assert not set(silent) - {"help"}, f"{command.name}: {silent}"


def test_version(run: Run):
    assert run("--version").stdout == f"euclidium {__version__}\n"


@pytest.mark.parametrize("words", [("--help",), ("train", "--help"), ("--version",)])
def test_help_is_fast_because_nothing_heavy_is_loaded(words: tuple[str, ...]):
    code = (
        "import sys\n"
        "from euclidium.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *words]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 5  # below a second where nobody else computes
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"torch", "ase", "lightning", "phonopy", "matplotlib", "scipy"}


def test_info_loads_no_engine():
    code = "import sys\nfrom euclidium.cli.info import info\ninfo()\nprint(*sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"lightning", "phonopy", "matplotlib"}


# errors


def test_wrong_usage_is_a_sentence(refused: Refused):
    assert refused("trian") == (
        "euclidium: no such command 'trian': did you mean 'train'? (see euclidium --help)"
    )
    assert "no such option: --foo" in refused("info", "--foo")
    assert "(see euclidium info --help)" in refused("info", "--foo")
    assert "missing argument 'CONFIG'" in refused("train")
    assert "'potental' is not one of 'potential'" in refused("config", "--task", "potental")
    assert "missing command (see euclidium data --help)" in refused("data")


def test_unknown_key_of_a_configuration(tmp_path: Path, refused: Refused):
    path = tmp_path / "c.yaml"
    path.write_text("data: silicon\ntask: potential\noutput: run\nmodel: {cutof: 5.0}\n")
    text = refused("train", path)
    assert "line 4: unknown key 'model.cutof', did you mean 'model.cutoff'?" in text


def test_wrong_override(workshop: Path, refused: Refused):
    assert "did you mean 'training.epochs'?" in refused(
        "train", workshop / "config.yaml", "training.epoch=3"
    )
    assert "training.epochs = 'many' is not valid" in refused(
        "train", workshop / "config.yaml", "training.epochs=many"
    )


def test_missing_files(tmp_path: Path, model: Path, refused: Refused):
    assert "there is no configuration missing.yaml" in refused("train", "missing.yaml")
    assert "there is no model missing.euclidium" in refused("info", "missing.euclidium")
    assert "no such file: missing.xyz" in refused("md", model, "missing.xyz")
    assert "no such file: missing.xyz" in refused("evaluate", model, "missing.xyz")
    out = tmp_path / "out.extxyz"
    assert "no such file: missing.xyz" in refused("predict", model, "missing.xyz", "-o", out)
    assert not out.exists()
    path = tmp_path / "c.yaml"
    path.write_text("data: trian.xyz\ntask: potential\noutput: run\n")
    (tmp_path / "train.xyz").touch()
    text = refused("train", path)
    assert "trian.xyz" in text
    assert "did you mean 'train.xyz'?" in text


def test_unreadable_structure(tmp_path: Path, model: Path, refused: Refused):
    path = tmp_path / "broken.xyz"
    path.write_text("two\natoms\n")
    assert "frame 0 of broken.xyz cannot be read: it begins with 'two'" in refused(
        "md", model, path
    )
    path = tmp_path / "broken.foo"
    path.write_text("nothing that ASE knows")
    assert "broken.foo cannot be read: the format is not known" in refused("phonons", model, path)


def test_unknown_element_in_a_file(tmp_path: Path, model: Path, refused: Refused):
    path = tmp_path / "strange.xyz"
    path.write_text("1\n\nXq 0 0 0\n")
    assert "frame 0 of strange.xyz has an unknown element 'Xq'" in refused("md", model, path)


def test_element_that_the_model_does_not_know(tmp_path: Path, model: Path, refused: Refused):
    path, out = tmp_path / "water.xyz", tmp_path / "out.extxyz"
    Atoms("H2O", [[0, 0, 0], [0.96, 0, 0], [0, 0.96, 0]]).write(path)
    assert "frame 0 of water.xyz has H, O, but the model knows only Si" in refused(
        "predict", model, path, "-o", out
    )
    assert "the potential does not know H, O" in refused("md", model, path)


def test_absent_label(tmp_path: Path, refused: Refused, labelled: Callable[..., Atoms]):
    data = tmp_path / "unlabelled.xyz"
    labelled(energy=None).write(data)
    path = tmp_path / "c.yaml"
    path.write_text(f"data: {{train: {data}, energy_key: dft_energy}}\ntask: potential\noutput: r")
    assert "frame 0 of unlabelled.xyz has no 'dft_energy'" in refused("train", path)


def test_nothing_to_evaluate(model: Path, crystal_file: Path, refused: Refused):
    assert "none of the 1 structures has an energy, forces or a stress" in refused(
        "evaluate", model, crystal_file
    )


def test_a_number_that_is_none(
    tmp_path: Path, model: Path, refused: Refused, labelled: Callable[..., Atoms]
):
    forces = np.zeros((8, 3))
    forces[2, 1] = np.nan
    data = tmp_path / "nan.xyz"
    for atoms in (labelled(), labelled(forces=forces)):
        atoms.write(data, append=True)
    assert "frame 1 of nan.xyz: forces[2, 1] is nan" in refused("evaluate", model, data)
    path = tmp_path / "c.yaml"
    path.write_text(f"data: {data}\ntask: potential\noutput: run\n")
    assert "frame 1 of nan.xyz: forces[2, 1] is nan" in refused("train", path)


def test_a_file_that_is_no_model(tmp_path: Path, model: Path, crystal_file: Path, refused: Refused):
    path = tmp_path / "poem.euclidium"
    path.write_text("Shall I compare thee to a summer's day?")
    assert "poem.euclidium is not a euclidium model" in refused("info", path)
    assert "poem.euclidium is not a euclidium model" in refused("md", path, crystal_file)
    path.write_bytes(model.read_bytes()[:-100])
    assert "or it is truncated" in refused("evaluate", path, "silicon")


def test_a_folder_without_a_model(tmp_path: Path, refused: Refused):
    assert "holds no model.euclidium: has the training finished?" in refused("info", tmp_path)


# the process


def test_a_sentence_in_a_real_shell(shell: Shell, tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("data: silicon\ntask: potental\noutput: run\n")
    done = shell("train", path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_traceback_on_demand(run: Run):
    result = run("--traceback", "info", "missing.euclidium")
    assert isinstance(result.exception, ValueError)
    assert "there is no model missing.euclidium" in str(result.exception)


def test_json_in_a_real_shell(shell: Shell, model: Path, crystal_file: Path):
    done = shell("md", model, crystal_file, "--steps", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_atoms"] == 8
    assert done.stderr == ""  # no bar where nobody watches


def test_threads_can_be_chosen(shell: Shell):
    done = shell("--threads", 2, "info", "--json")
    assert json.loads(done.stdout)["threads"] == 2


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m euclidium.cli.main config | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_bugs_are_not_hidden():
    def fail() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        exit_code(fail)


def test_interruption():
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert exit_code(interrupt) == 130


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            PermissionError(13, "Permission denied", "si.xyz"),
            "cannot open si.xyz: permission denied",
        ),
        (OSError("disk full"), "disk full"),
        (typer.BadParameter("it is bad."), "invalid value: it is bad"),
    ],
)
def test_sentences(error: Exception, text: str):
    assert sentence(error) == text
