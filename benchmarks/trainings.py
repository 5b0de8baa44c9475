"""Trainings that benchmarks measure: each is done once, and goes on where it was interrupted."""

from collections.abc import Sequence
from pathlib import Path

from euclidium.train import load_config, train

CONFIGS = Path(__file__).parent / "configs"


def finished(run: Path, name: str, settings: Sequence[str] = ()) -> Path:
    """The folder of a finished run of a configuration, trained if it is not there already."""
    if not (run / "metrics.json").exists():
        run.parent.mkdir(parents=True, exist_ok=True)
        own = [f"output={run.absolute()}", "logging.tensorboard=false", *settings]
        config = load_config(CONFIGS / f"{name}.yaml", own)
        train(config, resume=(run / "last.ckpt").exists())
    return run
