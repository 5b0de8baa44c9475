"""Configurations from files: three lines suffice, and a mistake gets a sentence."""

from pathlib import Path

import pytest
import yaml

from euclidium.train.config import (
    ConfigError,
    load_config,
    read_rendered,
    render_config,
    render_defaults,
)
from euclidium.train.settings import TrainConfig

THREE_LINES = "data: atoms.xyz\ntask: potential\noutput: runs/one\n"


@pytest.fixture
def write(tmp_path: Path):
    """Write a configuration beside a file of structures."""
    (tmp_path / "atoms.xyz").touch()

    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


def test_three_lines_suffice(write, tmp_path):
    config = load_config(write(THREE_LINES))
    assert config.data.train == str(tmp_path / "atoms.xyz")
    assert config.output == str(tmp_path / "runs" / "one")
    assert config == TrainConfig(
        data=str(tmp_path / "atoms.xyz"), task="potential", output=str(tmp_path / "runs" / "one")
    )


def test_paths_are_relative_to_the_file(write, tmp_path, monkeypatch):
    path = write(THREE_LINES)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_config(Path("..") / path.name).data.train.endswith("atoms.xyz")


def test_overrides(write):
    path = write(THREE_LINES + "training: {epochs: 7}\n")
    overrides = [
        "training.epochs=5",
        "model.network.lmax=1",
        "data.validation=3",
        "schedule.kind=cosine",
    ]
    config = load_config(path, overrides)
    assert (config.training.epochs, config.model.network.lmax) == (5, 1)
    assert (config.data.validation, config.schedule.kind) == (3, "cosine")
    assert config.data.train.endswith("atoms.xyz")
    assert load_config(path, ["data.validation=atoms.xyz"]).data.validation.endswith("atoms.xyz")


def test_numbers_as_people_write_them(write):
    """YAML 1.1 takes 1e-3 for a word."""
    config = load_config(write(THREE_LINES + "optimizer: {learning_rate: 1e-3}\n"))
    assert config.optimizer.learning_rate == 1e-3


def test_which_keys_were_given_is_known(write):
    config = load_config(write(THREE_LINES + "loss: {stress: 0.5}\n"))
    assert config.loss.model_fields_set == {"stress"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epochs: 4", r"line 4: unknown key 'epochs', did you mean 'training.epochs'\?"),
        (
            "training:\n  epoch: 4",
            r"line 5: unknown key 'training.epoch', did you mean 'training.epochs'\?",
        ),
        ("model: {network: {chanels: 4}}", r"did you mean 'model.network.channels'\?"),
        ("banana: 4", "unknown key 'banana', a configuration has the keys data, task, output"),
        ("loss: {banana: 4}", "unknown key 'loss.banana', the section 'loss' has the keys kind"),
        ("training: {epochs: many}", "line 4: training.epochs = 'many' is not valid: input should"),
        (
            "training: {epochs: 0}",
            "training.epochs = 0 is not valid: .* greater than or equal to 1",
        ),
        ("training: 5", "training = 5 is not valid: a section with keys of its own is expected"),
        ("optimizer: {kind: adm}", "input should be 'adam', 'adamw' or 'amsgrad'"),
        ("training: {devices: x}", "valid integer, .* or input should be 'auto'"),
        ("seed: yes", "seed is not a yes-or-no setting, got true"),
        ("seed: 1\nseed: 2", "line 5 is not YAML: the key 'seed' stands twice"),
        ("model: [", "line 5 is not YAML"),
        ("model: {reference_energies: {H: a}}", "model.reference_energies.H = 'a' is not valid"),
        ("training: {max_time: soon}", "a time is written in seconds or like 1h30m, got 'soon'"),
    ],
)
def test_a_mistake_gets_a_sentence(write, text, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        load_config(write(THREE_LINES + text + "\n"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no keys: write at least data:, task:, output:"),
        ("- 1", "holds no keys"),
        ("data: atoms.xyz\ntask: potential", "the key 'output' is missing, write for example 'out"),
        ("dat: atoms.xyz\ntask: potential\noutput: r", r"unknown key 'dat', did you mean 'data'\?"),
        ("data: atom.xyz\ntask: potential\noutput: r", r"no file .*did you mean 'atoms.xyz'\?"),
        ("data: silicn\ntask: potential\noutput: r", r"no file .*did you mean 'silicon'\?"),
        (
            "data: {train: atoms.xyz, test: x.xyz}\ntask: potential\noutput: r",
            "data.test: there is no file",
        ),
    ],
)
def test_what_is_needed_is_asked_for(write, text, sentence, monkeypatch):
    monkeypatch.setattr("euclidium.train.config.embedded_names", lambda: ["silicon"])
    with pytest.raises(ConfigError, match=sentence):
        load_config(write(text))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("training.epochs", "not an override: 'training.epochs', write it like training.epochs=5"),
        ("training.=5", "not an override"),
        ("seed=[", "its value is not YAML"),
        ("training.epoch=5", r"unknown key 'training.epoch', did you mean 'training.epochs'\?"),
    ],
)
def test_a_wrong_override_gets_a_sentence(write, override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(write(THREE_LINES), [override])


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration .*none.yaml: check the path"):
        load_config(tmp_path / "none.yaml")


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(tmp_path / "binary.yaml")


def test_an_embedded_data_set_by_name(write, monkeypatch):
    monkeypatch.setattr("euclidium.train.config.embedded_names", lambda: ["silicon"])
    text = THREE_LINES.replace("atoms.xyz", "silicon")
    assert load_config(write(text)).data.train == "silicon"


def densities(data: str) -> str:
    return f"data: {data}\ntask: density\noutput: run\n"


def test_densities_by_name_file_or_list(write):
    file = write(densities("crystals"))
    assert load_config(file).data.train == "crystals"
    listed = load_config(write(densities("{train: [water, water/large, atoms.xyz]}")))
    assert listed.data.train == ("water", "water/large", str(file.parent / "atoms.xyz"))
    assert read_rendered(render_config(listed)) == listed
    part = load_config(write(densities("{train: water, test: [water/test, water/large]}")))
    assert part.data.test == ("water/test", "water/large")
    assert load_config(file, ["data.train=[water, crystals]"]).data.train == ("water", "crystals")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("{train: []}", "data.train = .* a list of densities is not empty: name a file"),
        ("{train: [water, water]}", "water stands twice in a list of densities: name each once"),
        ("{train: [water, 3]}", "data.train.* is not valid: input should be a valid string"),
        ("{train: [water, crystal]}", r"data.train: there is no file .*did you mean 'crystals'\?"),
        ("{train: water, test: water/larg}", r"data.test: .*did you mean 'water/large'\?"),
        ("silicon", r"data.train: there is no file .*\(crystals, water, crystals/test,"),
    ],
)
def test_densities_that_do_not_exist_get_a_sentence(write, data, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        load_config(write(densities(data)))
    assert "\n" not in str(error.value)


def test_a_rendered_configuration_reads_back(write):
    config = load_config(
        write(THREE_LINES), ["model.reference_energies={H: -13.6}", "training.ema=null"]
    )
    assert read_rendered(render_config(config)) == config
    assert read_rendered(render_config(config)).model.reference_energies == {"H": -13.6}


def test_the_defaults_are_the_defaults():
    values = yaml.safe_load(render_defaults())
    shown = TrainConfig.model_validate(values)
    assert shown == TrainConfig(data="train.xyz", task="potential", output="run")


@pytest.mark.parametrize("task", ["spectrum", "density"])
def test_the_defaults_of_every_task_are_a_configuration(write, task):
    text = render_defaults(task)
    config = load_config(write(text))
    assert config.task == task
    assert config.data.train == {"spectrum": "phonons", "density": "water"}[task]


@pytest.mark.parametrize("task", ["potential", "density"])
def test_every_default_is_explained(task):
    lines = render_defaults(task).splitlines()
    assert all(len(line) <= 120 for line in lines)
    names = [line.split(":")[0].strip() for line in lines if "#" not in line]
    assert names == [], f"not explained: {names}"
