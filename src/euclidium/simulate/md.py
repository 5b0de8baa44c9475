"""Molecular dynamics."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator
from jaxtyping import Float

from euclidium.atoms.problem import DataError
from euclidium.simulate.calculator import Model, calculator_of
from euclidium.simulate.integrators import (
    CellMotion,
    ConstantPressure,
    Langevin,
    NoseHoover,
    Verlet,
)
from euclidium.simulate.trajectory import TrajectoryWriter
from euclidium.simulate.velocities import (
    at_rest,
    free_motions,
    thermal_energy,
    thermal_momenta,
)
from euclidium.units import ASE_TIME, GPA, K_B

Ensemble = Literal["nve", "langevin", "nvt", "npt"]
ENSEMBLES = ("nve", "langevin", "nvt", "npt")
Dynamics = Verlet | Langevin | NoseHoover | ConstantPressure

COLUMNS = {
    "time": "fs",
    "temperature": "K",
    "potential": "eV",
    "kinetic": "eV",
    "conserved": "eV",
    "volume": "Å³",
    "pressure": "GPa",
}


class UnstableRun(ValueError):
    """A simulation that left physics behind."""


@dataclass(frozen=True)
class Bounds:
    """Beyond these a run is not physical."""

    free: int  # thermal degrees of freedom
    temperature: float  # K
    volume: float  # Å³
    timestep: float  # fs


@dataclass(frozen=True)
class MDFrame:
    """One moment of a run; energies in eV of all atoms, pressure in GPa (NPT only, else NaN)."""

    step: int
    time: float  # fs
    temperature: float  # K
    potential: float
    kinetic: float
    conserved: float
    volume: float  # Å³, zero without a cell
    pressure: float
    atoms: Atoms  # positions, momenta and results; the run goes on with its own


@dataclass(frozen=True)
class MDResult:
    """What a run was like: one value for each frame.

    Energies in eV of all atoms; ``conserved`` is the quantity that the exact equations of motion
    would keep (the total energy, or that of the extended system). ``pressure`` in GPa is NaN
    except under constant pressure. ``atoms`` is the last frame.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> run = md(bulk("Cu", cubic=True), EMT(), "langevin", 300, steps=20, seed=0)
    >>> run.temperature.shape, run.atoms.info["time_fs"]
    ((3,), 20.0)
    """

    ensemble: str
    time: Float[np.ndarray, " frame"]  # fs
    temperature: Float[np.ndarray, " frame"]  # K
    potential: Float[np.ndarray, " frame"]
    kinetic: Float[np.ndarray, " frame"]
    conserved: Float[np.ndarray, " frame"]
    volume: Float[np.ndarray, " frame"]  # Å³
    pressure: Float[np.ndarray, " frame"]
    atoms: Atoms

    @property
    def energy(self) -> Float[np.ndarray, " frame"]:
        """Potential and kinetic energy (eV)."""
        return self.potential + self.kinetic

    @property
    def drift_rate(self) -> float:
        """Slope of the conserved energy by least squares, in meV per atom and ps."""
        if len(self.time) < 2:
            return 0.0
        per_atom = 1000 * (self.conserved - self.conserved[0]) / len(self.atoms)
        return float(np.polyfit(self.time / 1000, per_atom, 1)[0])

    @property
    def drift(self) -> float:
        """Change of the conserved energy over the run along its line of least squares, meV/atom."""
        return self.drift_rate * float(self.time[-1] - self.time[0]) / 1000

    @property
    def fluctuation(self) -> float:
        """Root mean square deviation of the conserved energy from that line, meV/atom."""
        rate = self.drift_rate * len(self.atoms) / 1e6 * (self.time - self.time[0])
        return float(1000 * np.std(self.conserved - rate) / len(self.atoms))

    def write_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write a table of all frames, under a temporary name first, and return its path."""
        path = Path(path)
        names = [f"{name} ({unit})" for name, unit in COLUMNS.items()]
        rows = np.stack([getattr(self, name) for name in COLUMNS], axis=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            np.savetxt(file, rows, fmt="%.12g", delimiter=",", header=",".join(names), comments="")
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
        return path


def md(
    atoms: Atoms,
    model: Model | BaseCalculator | str | os.PathLike[str],
    ensemble: Ensemble = "nve",
    temperature: float = 300.0,
    timestep: float = 1.0,
    steps: int = 1000,
    *,
    friction: float = 0.01,
    pressure: float = 0.0,
    cell_motion: CellMotion = "isotropic",
    thermostat_time: float = 100.0,
    barostat_time: float = 1000.0,
    velocities: Literal["thermal", "keep"] = "thermal",
    seed: int | None = None,
    interval: int = 10,
    trajectory: str | os.PathLike[str] | None = None,
    observe: Callable[[MDFrame], None] | None = None,
) -> MDResult:
    """Molecular dynamics of some atoms, which stay as they are: the result holds moved ones.

      ``model`` is a potential, the path of one, or an ASE calculator. ``temperature`` in K,
    ``timestep`` in fs. The ensemble is

    - ``nve``: velocity Verlet, constant energy;
    - ``langevin``: constant temperature with ``friction`` in 1/fs (BAOAB);
    - ``nvt``: constant temperature by a Nosé–Hoover chain of the time ``thermostat_time`` in fs;
    - ``npt``: also constant ``pressure`` in GPa (Martyna, Tobias, Klein) with the time
      ``barostat_time`` in fs; the cell changes its size (``isotropic``) or its shape too
      (``anisotropic``). A stiff cell moves some √(9 B V / N kT) times faster than that: choose
      the timestep accordingly.

    Thermal velocities are drawn with ``seed``, at exactly the temperature; a crystal does not
    drift, a molecule neither drifts nor rotates. Velocities that are kept lose their drift under
    ``nvt`` and ``npt``, where it would not be thermal. The same seed gives the same run.

    Every ``interval`` steps, and at the end, a frame is kept in the result, written to
      ``trajectory`` (``.xyz``, ``.extxyz`` or ``.traj``) and given to ``observe``.

      Raises ``ValueError`` for arguments that make no sense, and ``UnstableRun`` (a ``ValueError``)
      when energies or velocities stop being physical.

      >>> from ase.build import bulk
      >>> from ase.calculators.emt import EMT
      >>> copper = bulk("Cu", cubic=True)
      >>> run = md(copper, EMT(), "nve", temperature=300, timestep=2, steps=20, seed=0)
      >>> run.time.tolist()
      [0.0, 20.0, 40.0]
      >>> float(round(run.temperature[0], 9)), abs(run.drift) < 1
      (300.0, True)
    """
    _check(atoms, ensemble, temperature, timestep, steps, interval, friction)
    atoms = atoms.copy()
    atoms.calc = calculator_of(model)
    rng = np.random.default_rng(seed)
    conserved = ensemble != "langevin"  # the total momentum
    _set_in_motion(atoms, temperature, velocities, rng, ensemble)
    free = free_motions(atoms, conserved)
    kT, dt = K_B * temperature, timestep / ASE_TIME
    dynamics: Dynamics
    if ensemble == "nve":
        dynamics = Verlet(atoms, dt)
    elif ensemble == "langevin":
        dynamics = Langevin(atoms, dt, kT, friction * ASE_TIME, rng)
    elif ensemble == "nvt":
        dynamics = NoseHoover(atoms, dt, kT, thermostat_time / ASE_TIME, free)
    else:
        taus = (thermostat_time / ASE_TIME, barostat_time / ASE_TIME)
        dynamics = ConstantPressure(atoms, dt, kT, pressure * GPA, taus, free, cell_motion)
    frames: list[MDFrame] = []
    bounds = Bounds(free, 10 * temperature + 10_000, 20 * _volume(atoms), timestep)
    with TrajectoryWriter(trajectory) if trajectory else contextlib.nullcontext() as writer:
        for step in range(steps + 1):
            if step > 0:
                _step(dynamics, step)
            _check_physics(atoms, step, bounds)
            if step % interval == 0 or step == steps:
                frames.append(_frame(dynamics, step, step * timestep, free, conserved))
                if writer is not None:
                    writer.write(frames[-1].atoms)
                if observe is not None:
                    observe(frames[-1])
    columns = {name: np.array([getattr(frame, name) for frame in frames]) for name in COLUMNS}
    return MDResult(ensemble, **columns, atoms=frames[-1].atoms)


def _check(
    atoms: Atoms,
    ensemble: str,
    temperature: float,
    timestep: float,
    steps: int,
    interval: int,
    friction: float,
) -> None:
    """Arguments that make sense, or a sentence."""
    if ensemble not in ENSEMBLES:
        raise ValueError(f"not an ensemble: {ensemble!r}; use {', '.join(ENSEMBLES)}")
    if temperature < 0 or (temperature == 0 and ensemble != "nve"):
        raise ValueError(f"{ensemble} needs a temperature above zero, got {temperature} K")
    if timestep <= 0:
        raise ValueError(f"the timestep is a time in fs above zero, got {timestep}")
    if steps < 0 or interval < 1:
        raise ValueError(f"steps and interval count steps, got {steps} and {interval}")
    if friction <= 0:
        raise ValueError(f"the friction is a rate in 1/fs above zero, got {friction}")
    if len(atoms) == 0:
        raise ValueError("there are no atoms to move")
    if len(atoms) == 1 and ensemble != "langevin":
        raise ValueError(
            "a single atom has no motion of its own in a crystal: repeat the cell, "
            "or use the ensemble 'langevin'"
        )
    if atoms.constraints and ensemble in ("nvt", "npt"):
        raise ValueError(f"{ensemble} does not hold atoms fixed: use 'langevin' or 'nve'")
    if ensemble == "npt" and not atoms.pbc.all():
        raise ValueError("npt needs a cell that is periodic along all axes: use 'nvt'")


def _set_in_motion(
    atoms: Atoms,
    temperature: float,
    velocities: str,
    rng: np.random.Generator,
    ensemble: str,
) -> None:
    """Give the atoms their first momenta."""
    if velocities == "keep":
        if ensemble in ("nvt", "npt"):
            atoms.set_momenta(at_rest(atoms, rotating=True))
        return
    if velocities != "thermal":
        raise ValueError(f"velocities are 'thermal' or 'keep', got {velocities!r}")
    atoms.set_momenta(np.zeros((len(atoms), 3)))
    free = free_motions(atoms, conserved=ensemble != "langevin")
    if temperature > 0:
        atoms.set_momenta(thermal_momenta(atoms, temperature, rng, free))


def _step(dynamics: Dynamics, step: int) -> None:
    """One step; what overflows in it is found by the check that follows."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            dynamics.step()
    except (DataError, np.linalg.LinAlgError) as error:
        raise UnstableRun(
            f"the run exploded in step {step}: {error}; shorten the timestep, relax the structure "
            "first, or train the potential on such structures"
        ) from error


def _check_physics(atoms: Atoms, step: int, bounds: Bounds) -> None:
    """Stop when the kinetic energy or the volume is beyond that of any solid, liquid or gas."""
    temperature = 2 * float(atoms.get_kinetic_energy()) / (bounds.free * K_B)
    if not temperature <= bounds.temperature:
        reached = f"reached {temperature:.3g} K" if np.isfinite(temperature) else "is no number"
        raise UnstableRun(
            f"the run exploded in step {step}: the temperature {reached}; shorten the timestep "
            f"({bounds.timestep:g} fs), relax the structure first, or train the potential on such "
            "structures"
        )
    if _volume(atoms) > bounds.volume:
        raise UnstableRun(
            f"the cell had grown twentyfold by step {step}: the atoms evaporate at this "
            "temperature and pressure; lower the one, raise the other, or use 'nvt'"
        )


def _volume(atoms: Atoms) -> float:
    return abs(float(np.linalg.det(atoms.cell.array)))


def _frame(
    dynamics: Dynamics, step: int, time: float, free: int, momentum_is_conserved: bool
) -> MDFrame:
    """The present moment of a run."""
    atoms = dynamics.atoms
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(md=True)}
    volume = _volume(atoms)
    pressure = np.nan
    if isinstance(dynamics, ConstantPressure):
        results["stress"] = atoms.get_stress()
        inner = 2 * atoms.get_kinetic_energy() / volume - results["stress"][:3].sum()
        pressure = float(inner) / 3 / GPA
    still = atoms.copy()
    still.info.update(step=step, time_fs=time)
    still.calc = SinglePointCalculator(still, **results)
    thermal = thermal_energy(atoms, momentum_is_conserved)
    return MDFrame(
        step=step,
        time=float(time),
        temperature=2 * thermal / (free * K_B),
        potential=float(results["energy"]),
        kinetic=float(atoms.get_kinetic_energy()),
        conserved=dynamics.conserved(),
        volume=volume,
        pressure=pressure,
        atoms=still,
    )
