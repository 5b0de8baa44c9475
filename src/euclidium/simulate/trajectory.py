"""Trajectories, written frame by frame while a simulation runs."""

import io
import os
from pathlib import Path
from types import TracebackType

from ase import Atoms
from ase.io.extxyz import write_extxyz
from ase.io.trajectory import Trajectory as AseTrajectory

SUFFIXES = (".xyz", ".extxyz", ".traj")


class TrajectoryWriter:
    """Writes frames to ``<path>.part``, which becomes the file when the run is over.

    Extended XYZ (``.xyz``, ``.extxyz``) or ASE's own format (``.traj``). Every frame is written and
    flushed whole, so what a killed run leaves in the ``.part`` file can be read. After an exception
    the file takes its name too: what came before is good.

    Raises ``ValueError`` for another suffix.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix not in SUFFIXES:
            raise ValueError(
                f"cannot write a trajectory to {self.path.name!r}: end the name with "
                f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self.path.with_name(f"{self.path.name}.part")
        if self.path.suffix == ".traj":
            self._binary, self._text = AseTrajectory(str(self._part), "w"), None
        else:
            self._binary, self._text = None, self._part.open("w", encoding="utf-8")

    def __enter__(self) -> "TrajectoryWriter":
        return self

    def write(self, atoms: Atoms) -> None:
        """Add one frame, with the results of its calculator."""
        if self._text is None:
            self._binary.write(atoms)
            return
        frame = io.StringIO()
        write_extxyz(frame, [atoms])
        self._text.write(frame.getvalue())
        self._text.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        (self._text or self._binary).close()
        os.replace(self._part, self.path)
