"""Configurations: from a YAML file to a checked record, and back."""

import difflib
import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from euclidium.atoms.density_file import embedded_density_parts
from euclidium.atoms.embedded import embedded_names
from euclidium.train.settings import (
    DataSettings,
    DensityDataSettings,
    DensityTrainConfig,
    RunConfig,
    SpectrumDataSettings,
    SpectrumTrainConfig,
    TrainConfig,
)

REQUIRED = {"data": "train.xyz", "task": "potential", "output": "run"}
EMBEDDED_SPECTRA = "phonons"
DATA: dict[type[BaseModel], str] = {
    SpectrumDataSettings: EMBEDDED_SPECTRA,
    DensityDataSettings: "water",
}
TASKS: dict[str, type[RunConfig]] = {
    "potential": TrainConfig,
    "spectrum": SpectrumTrainConfig,
    "density": DensityTrainConfig,
}


class ConfigError(ValueError):
    """A configuration that cannot be used: one sentence that says where and what to write."""


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> RunConfig:
    r"""Read a configuration; ``overrides`` replace single values, like ``training.epochs=5``.

    Paths in the file are relative to the file, and absolute in the result. Raises ``ConfigError``
    for a file that is absent or is not YAML, for an unknown key (with the nearest right one), for a
    wrong value, and for data that is neither a file nor an embedded data set.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "si.yaml"
    ...     _ = file.write_text("data: silicon\ntask: potential\noutput: run")
    ...     config = load_config(file, ["training.epochs=5"])
    >>> config.training.epochs, pathlib.Path(config.output).name
    (5, 'run')
    """
    path = Path(path)
    values, lines = _read(path)
    for override in overrides:
        _override(values, override)
    record = record_of(values)
    try:
        config = record.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_sentence(error, values, path, lines, record)) from None
    return _resolve(config, path.absolute().parent)


def render_config(config: RunConfig) -> str:
    """A configuration as YAML, every value written out.

    >>> config = TrainConfig(data="train.xyz", task="potential", output="run", seed=3)
    >>> print(render_config(config).splitlines()[-1])
      wandb: null
    """
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_rendered(text: str) -> RunConfig:
    """The configuration of ``render_config``.

    >>> config = TrainConfig(data="train.xyz", task="potential", output="run", seed=3)
    >>> read_rendered(render_config(config)) == config
    True
    """
    values = yaml.safe_load(text)
    return record_of(values).model_validate(values)


def record_of(values: Mapping[str, Any]) -> type[RunConfig]:
    """The record of a configuration's task; that of a potential if it names none that exists.

    >>> record_of({"task": "spectrum"}).__name__
    'SpectrumTrainConfig'
    """
    return TASKS.get(str(values.get("task")), TrainConfig)


def render_defaults(task: str = "potential") -> str:
    """Every key of a task with its default value and what it means, as YAML with comments.

    Raises ``KeyError`` for a task that does not exist.

    >>> print(render_defaults()[:96])
    data:                           # the structures: a file, or the keys below
      train: train.xyz
    """
    record = TASKS[task]
    text = "\n".join(_commented(record, 0)) + "\n"
    return text.replace(f"task: {REQUIRED['task']}", f"task: {task}", 1)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key written twice, where the later one would win in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """The values of a file, and the line of each key."""
    if not path.is_file():
        raise ConfigError(f"there is no configuration {path}: check the path")
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.load(text, Loader=_Loader)  # a safe loader: it builds plain values only
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not text"
        raise ConfigError(f"{path}{where} is not YAML: {problem}") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds no keys: write at least {', '.join(f'{k}:' for k in REQUIRED)}"
        )
    return values, dict(_lines(node))


def _lines(node: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of every key, by its path from the root."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*prefix, key.value), key.start_mark.line + 1
            yield from _lines(value, (*prefix, key.value))


def _override(values: dict[str, Any], text: str) -> None:
    """Set one value, given as ``section.key=value``."""
    name, equals, value = text.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not key:
        raise ConfigError(f"not an override: {text!r}, write it like training.epochs=5")
    for section in sections:
        inside = values.get(section)
        if section == "data" and isinstance(inside, str):
            inside = {"train": inside}
        values[section] = dict(inside) if isinstance(inside, Mapping) else {}
        values = values[section]
    try:
        values[key] = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError:
        raise ConfigError(f"not an override: {text!r}, its value is not YAML") from None


def _resolve(config: RunConfig, base: Path) -> RunConfig:
    """Absolute paths, checked."""
    data = config.data
    folders = isinstance(config, SpectrumTrainConfig)
    names = _embedded_names(config)
    found: dict[str, Any] = {}
    for key in ("train", "validation", "test"):
        value: Any = getattr(data, key)
        if isinstance(value, str):
            found[key] = _data_file(key, value, base, names, folders)
        elif isinstance(value, tuple):
            found[key] = tuple(_data_file(key, one, base, names) for one in value)
    if data.cache is not None:
        found["cache"] = str(base / data.cache)
    # model_copy keeps which keys were given, which the loss asks for
    return config.model_copy(
        update={"data": data.model_copy(update=found), "output": str(base / config.output)}
    )


def _embedded_names(config: RunConfig) -> list[str]:
    """What stands for embedded data in a configuration."""
    if isinstance(config, DensityTrainConfig):
        parts = embedded_density_parts()
        return [*parts, *(f"{name}/{part}" for name, own in parts.items() for part in own)]
    spectra = [EMBEDDED_SPECTRA] if isinstance(config, SpectrumTrainConfig) else []
    return [*embedded_names(), *spectra]


def _data_file(
    key: str, value: str, base: Path, names: Sequence[str], folders: bool = False
) -> str:
    """The absolute path of a file of structures, or the name of an embedded data set."""
    path = base / Path(value).expanduser()
    if path.is_file() or (folders and path.is_dir()):
        return str(path)
    if value in names:
        return value
    beside = os.listdir(path.parent) if path.parent.is_dir() else []
    near = difflib.get_close_matches(value, names, n=1)
    near = near or difflib.get_close_matches(path.name, beside, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "paths are relative to the configuration"
    raise ConfigError(
        f"data.{key}: there is no file {path}, and no embedded data set of this name "
        f"({', '.join(names)}): {hint}"
    )


def _sentence(
    error: ValidationError,
    values: Mapping[str, Any],
    path: Path,
    lines: Mapping[tuple[str, ...], int],
    record: type[RunConfig],
) -> str:
    """What is wrong first, where, and what to write."""
    errors = error.errors(include_url=False)
    # an unknown key explains a missing one, and of the members of a union the deepest was meant
    rank = {"extra_forbidden": 0, "missing": 2}
    first = min(errors, key=lambda e: (rank.get(e["type"], 1), -len(_place(e, values))))
    place = _place(first, values)
    name = ".".join(place)
    line = f", line {lines[place]}" if place in lines else ""
    if first["type"] == "extra_forbidden":
        return f"{path}{line}: unknown key '{name}', {_nearest(place, record)}"
    if first["type"] == "missing":
        return f"{path}: the key '{name}' is missing, write for example '{_example(place)}'"
    same = [e for e in errors if _place(e, values) == place]
    wanted = " or ".join(dict.fromkeys(_wanted(e) for e in same))
    given = "" if isinstance(first["input"], Mapping) else f" = {first['input']!r}"
    return f"{path}{line}: {name}{given} is not valid: {wanted}" if name else f"{path}: {wanted}"


def _wanted(error: Mapping[str, Any]) -> str:
    """What pydantic expected, in our words."""
    if error["type"] in ("model_type", "model_attributes_type"):
        return "a section with keys of its own is expected"
    message = error["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _place(error: Mapping[str, Any], values: Any) -> tuple[str, ...]:
    """The keys of an error, without the names that pydantic gives to the members of a union."""
    place = []
    for part in error["loc"]:
        if isinstance(values, Mapping) and part in values:
            place.append(str(part))
            values = values[part]
    if error["type"] == "missing":
        place.append(str(error["loc"][-1]))
    return tuple(place)


def _nearest(place: tuple[str, ...], whole: type[RunConfig]) -> str:
    """The right key that an unknown one may have meant."""
    *sections, name = place
    record: type[BaseModel] = whole
    for section in sections:
        record = next(iter(_records(record.model_fields[section].annotation)), record)
    near = difflib.get_close_matches(name, record.model_fields, n=1)
    if near:
        return f"did you mean '{'.'.join([*sections, near[0]])}'?"
    elsewhere = {key.rpartition(".")[2]: key for key in _keys(whole)}
    near = difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.75)
    if near:
        return f"did you mean '{elsewhere[near[0]]}'?"
    where = f"the section '{'.'.join(sections)}'" if sections else "a configuration"
    return f"{where} has the keys {', '.join(record.model_fields)}"


def _example(place: tuple[str, ...]) -> str:
    return f"{place[-1]}: {REQUIRED.get(place[-1], '…')}"


def _keys(record: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key below a record, with dots."""
    for name, field in record.model_fields.items():
        yield prefix + name
        for inside in _records(field.annotation):
            yield from _keys(inside, f"{prefix}{name}.")


def _records(annotation: Any) -> Iterator[type[BaseModel]]:
    """The records in an annotation, which may be a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _records(argument)


def _commented(record: type[BaseModel], depth: int) -> Iterator[str]:
    """Lines of YAML for the fields of a record."""
    for name, field in record.model_fields.items():
        inside = next(_records(field.annotation), None)
        if inside is not None and (field.is_required() or field.get_default() is not None):
            yield _line(name, "", field, depth)
            yield from _commented(inside, depth + 1)
        else:
            yield _line(name, _default(name, field, record), field, depth)


def _default(name: str, field: FieldInfo, record: type[BaseModel]) -> str:
    """The default of a field as YAML."""
    if field.is_required():
        if issubclass(record, DataSettings):
            return DATA.get(record, REQUIRED["data"])
        return REQUIRED[name]
    value = field.get_default(call_default_factory=True)
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _line(name: str, value: str, field: FieldInfo, depth: int) -> str:
    """One key, its value, and what it means."""
    text = f"{'  ' * depth}{name}: {value}".rstrip()
    return f"{text:<31} # {field.description}" if field.description else text
