"""Phonons of a crystal by linear response: density-functional perturbation theory with ABINIT."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from jaxtyping import Float

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import ask_spglib, irreducible_waves
from euclidium.simulate.abinit import (
    HARTREE_TO_CM1,
    Electrons,
    crystal_input,
    electrons_input,
    find_programs,
    finished,
    k_mesh,
    merge,
    read_born_charges,
    read_crystal,
    read_dielectric,
    read_dos,
    read_frequencies,
    run,
)

PITCH = 1.0  # cm⁻¹, of the density of states
WASTE = ("*_WFK", "*_1WF*", "*_DEN*", "*_POT*", "*_EVK.nc", "*_EIG*", "*_OUT.nc", "*_DDB.nc")
RELAXATION = """\
ionmov 2
optcell 2
ntime 40
dilatmx 1.1
tolmxf 2.0e-6
strfact 100
tolvrs 1.0e-12
prtwf 0
prtden 0
prtgsr 0
prteig 0
"""
GROUND = """\
prtwf 1
prtden 0
prtgsr 0
prteig 0
tolwfr 1.0e-18
"""
# a first part with the derivative of the wave functions with respect to k
FIELD = """\
ndtset 2
rfelfd1 2
iscf1 -3
tolwfr1 1.0e-18
kptopt1 2
rfelfd2 3
getddk2 1
"""


@dataclass(frozen=True, eq=False)
class LinearResponse:
    """Phonons of a crystal from density-functional perturbation theory.

    ``dos`` has three modes for each atom, ``partial`` the same by element. ``gamma`` are the
    frequencies (cm⁻¹, imaginary ones negative) at Γ without, and ``gamma_along_x`` with the
    splitting of longitudinal and transverse modes for waves along x. ``q`` are the wave vectors
    at which the response was computed, in reciprocal lattice vectors, and ``raw`` its frequencies
    as they came, without the acoustic sum rule. Born charges (e) are Z[atom, field, displacement].
    """

    atoms: Atoms  # the primitive cell, relaxed
    mesh: tuple[int, ...]  # numbers of wave vectors
    q: Float[np.ndarray, "q 3"]
    raw: Float[np.ndarray, "q mode"]
    gamma: Float[np.ndarray, " mode"]
    gamma_along_x: Float[np.ndarray, " mode"]
    dos: PhononDOS
    partial: dict[str, np.ndarray]
    born_charges: Float[np.ndarray, "atom 3 3"] | None = None
    dielectric: Float[np.ndarray, "3 3"] | None = None


def dfpt(
    atoms: Atoms,
    electrons: Electrons,
    folder: str | os.PathLike[str],
    mesh: Sequence[int] = (2, 2, 2),
    *,
    relax: bool = True,
    interpolated: Sequence[int] = (20, 20, 20),
    observe: Callable[[str], None] | None = None,
) -> LinearResponse:
    """Phonons of a crystal by density-functional perturbation theory with ABINIT.

    The primitive cell of the crystal is relaxed (unless ``relax`` is False), and its response to
    displacements is computed at the irreducible wave vectors of a ``mesh`` that contains Γ; for
    insulators of several elements also that to an electric field, so that longitudinal and
    transverse optical modes split. Force constants between atoms, with the acoustic sum rule and
    neutral charges, give the frequencies on the ``interpolated`` mesh, and tetrahedra the density
    of states. Every run keeps its results in ``folder``, and is not repeated when it is there
    already; ``observe`` is called with its name before it begins.

    Raises ``ValueError`` if a program is missing, for what is not periodic, and for a mesh that
    makes no sense, ``RuntimeError`` if a program stops early.
    Gonze and Lee, Phys. Rev. B 55, 10355 (1997), https://doi.org/10.1103/PhysRevB.55.10355;
    Gonze et al., Comput. Phys. Commun. 248, 107042 (2020),
    https://doi.org/10.1016/j.cpc.2019.107042.

    >>> from ase.build import molecule
    >>> dfpt(molecule("H2O"), Electrons({}), "water")
    Traceback (most recent call last):
    ValueError: phonons need a crystal, periodic along all axes: set its cell and pbc
    """
    points, fine = _counts(mesh), _counts(interpolated)
    crystal = primitive(atoms)
    find_programs()
    tell = observe or (lambda name: None)
    folder = Path(folder).resolve()
    base = electrons_input(crystal, electrons, k_mesh(crystal, electrons.kpoints, points))
    if relax:
        tell("relaxation")
        crystal = primitive(_relaxed(crystal, base, folder / "relaxation"))
    base = crystal_input(crystal) + base
    polar = electrons.smearing == 0 and len(set(crystal.symbols)) > 1
    q = irreducible(crystal, points)
    fields = [polar] + [False] * (len(q) - 1)
    words = [_displacements(len(crystal), *one) for one in zip(q, fields, strict=True)]
    places = [folder / f"q{n}" for n in range(len(q))]
    if not all(finished(place, base + text) for place, text in zip(places, words, strict=True)):
        tell("ground state")
        _ground_state(folder / "ground", base, electrons.smearing > 0)
    outputs = []
    for n, (place, text) in enumerate(zip(places, words, strict=True)):
        tell(f"wave vector {n + 1} of {len(q)}")
        outputs.append(run(place, base + text))
    tell("interpolation")
    merged = merge(folder, [_database(place) for place in places])
    result = _interpolated(crystal, points, q, outputs, polar, merged, fine)
    for pattern in WASTE:
        for file in folder.glob(f"*/{pattern}"):
            file.unlink()
    return result


def primitive(atoms: Atoms) -> Atoms:
    """The primitive cell of a crystal, with exact symmetry.

    Raises ``ValueError`` for what is not periodic along all axes.

    >>> from ase.build import bulk
    >>> len(primitive(bulk("NaCl", "rocksalt", a=5.6, cubic=True)))
    2
    """
    if not atoms.pbc.all() or len(atoms) == 0:
        raise ValueError("phonons need a crystal, periodic along all axes: set its cell and pbc")
    found = ask_spglib("standardize_cell", _crystal(atoms), to_primitive=True, symprec=1e-4)
    if found is None:
        raise ValueError(f"the symmetry of {atoms.symbols} cannot be found: are atoms too close?")
    cell, positions, numbers = found
    return Atoms(numbers, scaled_positions=positions, cell=cell, pbc=True)


def irreducible(atoms: Atoms, mesh: Sequence[int]) -> Float[np.ndarray, "q 3"]:
    """The wave vectors of a mesh from which symmetry gives all others, in reciprocal vectors.

    Γ is the first.

    >>> from ase.build import bulk
    >>> irreducible(bulk("Si"), (2, 2, 2)).tolist()
    [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0]]
    """
    found = irreducible_waves(_crystal(atoms), mesh, tolerance=1e-5)
    if found is None:
        raise ValueError(f"the symmetry of {atoms.symbols} cannot be found: are atoms too close?")
    return found[0]


def _crystal(atoms: Atoms) -> tuple[Any, Any, Any]:
    """A crystal as spglib takes it."""
    return atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers


def _counts(mesh: Sequence[int]) -> tuple[int, ...]:
    counts = tuple(int(n) for n in mesh)
    if len(counts) != 3 or min(counts) < 1 or counts != tuple(mesh):
        raise ValueError(f"a mesh of wave vectors is three numbers above zero, got {mesh}")
    return counts


def _relaxed(crystal: Atoms, electrons: str, folder: Path) -> Atoms:
    """The crystal without forces and stress."""
    output = run(folder, crystal_input(crystal) + electrons + RELAXATION)
    if "gradients are converged" not in output:
        raise RuntimeError(f"the crystal did not relax in {folder}: is it far from a minimum?")
    return read_crystal(output, crystal)


def _ground_state(folder: Path, base: str, metal: bool) -> None:
    """Wave functions of the crystal, unless they are there."""
    text = base + GROUND + ("nbdbuf 2\n" if metal else "")
    if not (folder / "runo_WFK").exists():
        (folder / "run.abi").unlink(missing_ok=True)
    run(folder, text)


def _displacements(n_atoms: int, q: np.ndarray, field: bool) -> str:
    """What is asked of linear response: displacements of all atoms, at Γ also an electric field."""
    at_gamma = not q.any()
    last = "2" if field else ""
    words = {
        "rfphon": "1",
        "rfatpol": f"1 {n_atoms}",
        "tolvrs": "1.0e-8",
        "kptopt": "2" if at_gamma else "3",
        "prtwf": "0",
    }
    lines = [f"{name}{last} {value}" for name, value in words.items()]
    lines += [
        "rfdir 1 1 1",
        "nqpt 1",
        f"qpt {' '.join(f'{x:.12f}' for x in q)}",
        'getwfk_filepath "../ground/runo_WFK"',
        "prtden 0",
        "prtpot 0",
        "prteig 0",
        "",
    ]
    return (FIELD if field else "") + "\n".join(lines)


def _database(folder: Path) -> Path:
    """The file of dynamical matrices that a run has written."""
    found = [folder / name for name in ("runo_DS2_DDB", "runo_DDB")]
    return next(path for path in found if path.exists())


def _interpolated(
    crystal: Atoms,
    points: tuple[int, ...],
    q: np.ndarray,
    outputs: Sequence[str],
    polar: bool,
    merged: Path,
    fine: tuple[int, ...],
) -> LinearResponse:
    """Force constants from the dynamical matrices, and what follows from them."""
    folder, n_modes = merged.parent / "interpolation", 3 * len(crystal)
    text = "\n".join(
        [
            f'ddb_filepath "../{merged.name}"',
            "ifcflag 1\nbrav 1\nnqshft 1\nq1shft 0 0 0\nasr 2\nchneut 1",
            f"ngqpt {' '.join(map(str, points))}",
            f"dipdip {int(polar)}",
            "prtdos 2\nngrids 1",
            f"ng2qpt {' '.join(map(str, fine))}",
            f"dosdeltae {PITCH / HARTREE_TO_CM1:.12e}",
            "nph1l 1\nqph1l 0 0 0 1",
            "nph2l 1\nqph2l 1 0 0 0\n" if polar else "",
        ]
    )
    (folder / "run.abi").unlink(missing_ok=True)  # the matrices may be new
    output = run(folder, text, "anaddb")
    at_gamma = read_frequencies(output, n_modes)
    symbols = list(dict.fromkeys(crystal.symbols))
    edges, modes = read_dos((folder / "run_PHDOS").read_text(), len(symbols))
    modes *= n_modes / modes[0].sum() / len(crystal)
    structure = Structure.from_ase(crystal, keys=None)
    first = outputs[0]
    return LinearResponse(
        atoms=crystal,
        mesh=points,
        q=q,
        raw=np.array([read_frequencies(output, n_modes)[0] for output in outputs]),
        gamma=at_gamma[0],
        gamma_along_x=at_gamma[-1],
        dos=PhononDOS.of(structure, edges, modes[0]),
        partial=dict(zip(symbols, modes[1:], strict=True)),
        born_charges=read_born_charges(first, len(crystal)) if polar else None,
        dielectric=read_dielectric(first) if polar else None,
    )
