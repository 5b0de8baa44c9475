"""Vibrations as moving pictures: the atoms of a supercell, swinging in one mode."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from jaxtyping import Float, Int

from euclidium.simulate.lattice import ase_atoms
from euclidium.simulate.phonons import Phonons

LARGEST_DENOMINATOR = 24
FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".xsf": "xsf", ".traj": "traj"}


@dataclass(frozen=True)
class Mode:
    """One vibration of a crystal.

    u(κ, R, t) = Re e_κ/√m_κ exp(2πi (q·r − f t)),    r = R + r_κ

    ``displacements`` are u at t = 0 as complex numbers, for each atom of the ``supercell``, the
    longest with a length of one. They repeat with the supercell, which holds whole waves.
    """

    q: tuple[float, float, float]  # in reciprocal vectors of the primitive cell
    band: int  # from 0
    frequency: float  # THz, negative if imaginary
    supercell: Int[np.ndarray, "3 3"]  # in primitive cells, the rows are vectors
    numbers: Int[np.ndarray, " atom"]
    cell: Float[np.ndarray, "3 3"]  # Å
    positions: Float[np.ndarray, "atom 3"]  # Å
    real: Float[np.ndarray, "atom 3"]
    imaginary: Float[np.ndarray, "atom 3"]

    def frames(self, n: int = 24, amplitude: float = 0.3) -> list[Atoms]:
        """The crystal at ``n`` times of one period; after the last comes the first again.

        ``amplitude`` is the largest displacement of an atom from its place, in Å. Displacements
        are in ``arrays["displacements"]``, and the time in fs in ``info`` for modes that have one.

        Raises ``ValueError`` for fewer than two frames or an amplitude that is not positive.

        >>> from ase.build import bulk
        >>> from ase.calculators.emt import EMT
        >>> from euclidium.simulate.phonons import phonons
        >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(4, 4, 4))
        >>> len(mode(copper, (0.5, 0.5, 0.5)).frames(12, amplitude=0.5))
        12
        """
        if n < 2 or not amplitude > 0:
            raise ValueError(
                f"an animation has two frames or more and an amplitude above zero, got {n} frames "
                f"and {amplitude:g} Å"
            )
        made = []
        for step in range(n):
            angle = 2 * np.pi * step / n
            moved = amplitude * (np.cos(angle) * self.real + np.sin(angle) * self.imaginary)
            atoms = Atoms(self.numbers, self.positions + moved, cell=self.cell, pbc=True)
            atoms.arrays["displacements"] = moved
            atoms.info.update(frequency_THz=self.frequency, q=np.array(self.q), band=self.band)
            if self.frequency > 0:
                atoms.info["time"] = 1000 * step / (n * self.frequency)
            made.append(atoms)
        return made

    def save(self, path: str | os.PathLike[str], frames: int = 24, amplitude: float = 0.3) -> Path:
        """Write an animation: ``.xyz`` or ``.extxyz``, ``.xsf`` or ``.traj``, by the name.

        Extended XYZ opens in OVITO, VMD and ASE, XSF in VESTA and XCrySDen.
        Raises ``ValueError`` for another name, and as ``frames`` does.
        """
        path = Path(path)
        if path.suffix not in FORMATS:
            raise ValueError(f"an animation ends with {', '.join(FORMATS)}, got {path.name}")
        images = self.frames(frames, amplitude)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
        try:
            ase.io.write(temporary, images, format=FORMATS[path.suffix])
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path


def mode(
    phonons: Phonons,
    q: Sequence[float] = (0.0, 0.0, 0.0),
    band: int = -1,
    *,
    repeat: Sequence[int] = (1, 1, 1),
) -> Mode:
    """A vibration at q, in reciprocal vectors of the primitive cell, ready to be seen.

    ``band`` counts from the lowest, -1 is the highest. The supercell is the smallest one of
    repetitions of the primitive cell in which the wave repeats, times ``repeat``.

    Raises ``ValueError`` for a band that is not there, and for a q whose components are not
    fractions with denominators up to 24.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> from euclidium.simulate.phonons import phonons
    >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(4, 4, 4))
    >>> found = mode(copper, (0.5, 0.5, 0.0))
    >>> round(found.frequency, 1), len(found.numbers)
    (8.1, 4)
    >>> [round(float(abs(one.arrays["displacements"]).max()), 2) for one in found.frames(4)]
    [0.3, 0.0, 0.3, 0.0]
    """
    phonopy = phonons._phonopy
    point = np.array([float(x) for x in q])
    if not all(int(n) == n > 0 for n in repeat):
        raise ValueError(f"repeat is three whole numbers above zero, got {list(repeat)}")
    n_bands = 3 * phonons.n_atoms
    if not -n_bands <= band < n_bands:
        raise ValueError(f"there are bands 0 to {n_bands - 1}, got {band}")
    times = [Fraction(x).limit_denominator(LARGEST_DENOMINATOR) for x in point]
    if max(abs(float(x) - y) for x, y in zip(times, point, strict=True)) > 1e-6:
        raise ValueError(
            f"q = {point.tolist()} does not fit into a supercell: give fractions such as 1/3, with "
            f"denominators up to {LARGEST_DENOMINATOR}"
        )
    sizes = np.array([x.denominator for x in times]) * np.asarray(repeat, dtype=np.int64)
    phonopy.run_qpoints([point], with_eigenvectors=True)
    vector = np.array(phonopy.qpoints.eigenvectors[0])[:, band].reshape(-1, 3)
    primitive = ase_atoms(phonopy.primitive)
    large = primitive.repeat(sizes)
    of_cell = np.arange(len(large)) % len(primitive)
    phases = large.positions @ np.linalg.inv(primitive.cell.array) @ point
    waves = vector / np.sqrt(primitive.get_masses())[:, None]
    waves = waves[of_cell] * np.exp(2j * np.pi * phases)[:, None]
    waves = _largest_first(waves)
    return Mode(
        q=(float(point[0]), float(point[1]), float(point[2])),
        band=band % n_bands,
        frequency=float(phonopy.qpoints.frequencies[0][band]),
        supercell=np.diag(sizes),
        numbers=np.asarray(large.numbers, dtype=np.int64),
        cell=large.cell.array,
        positions=large.positions,
        real=waves.real,
        imaginary=waves.imag,
    )


def _largest_first(waves: np.ndarray) -> np.ndarray:
    """The same motion, of length one, which the atom that moves farthest begins at its end.

    An atom's path is an ellipse, Re w exp(−iωt); its long half axis has the square
    (|w|² + |w·w|)/2 and is reached at the phase of √(w·w).
    """
    squares = (waves**2).sum(axis=1)
    axes = (np.abs(waves) ** 2).sum(axis=1) / 2 + np.abs(squares) / 2
    first = int(np.argmax(axes))
    # with the sign of √ chosen such that it moves up along the largest component
    turned = waves * np.exp(-0.5j * np.angle(squares[first])) / np.sqrt(axes[first])
    largest = int(np.argmax(np.abs(turned[first].real)))
    return turned * np.sign(turned[first, largest].real)
