"""Make the densities of a dozen simple crystals: plane waves, then a fit of Gaussians.

    /usr/bin/python3 make.py compute --work crystal-runs
    python make.py pack --work crystal-runs

``compute`` needs GPAW (written for 22.8, Debian's packages ``gpaw`` and ``gpaw-data``) and ASE.
Each cell keeps its result in the work folder and is skipped when it is there already; the cells of
all crystals take turns, so that a part of the work is a smaller data set. ``converge`` repeats one
cell of each crystal with more k points and plane waves, and prints how much of the electrons moves.
``pack`` needs euclidium: it fits the Gaussians and writes ``train.npz``, ``validation.npz``,
``test.npz``, the grids of the last two and ``SHA256SUMS``.
"""

import argparse
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SEED = 20251121
CUTOFF = 300.0  # eV
# numbers of the cells of each crystal in each part; the first is not distorted
PARTS = {
    "train": (*range(9), 15, 16, 17),
    "validation": (9, 14),
    "test": (10, 11, 12, 13),
}
GRIDS = {"validation": "validation-grids", "test": "grids"}  # whose grids are kept, and where
DOUBLED = {13: 0, 14: 0, 15: 1, 16: 2, 17: 0}  # those of four atoms, and along which vector
ATOMS = range(10)  # the cells that the isolated atoms are fitted to
STRAIN = 0.03  # largest hydrostatic strain; the traceless part has components up to the same
RATTLE = (0.01, 0.05)  # root mean square displacement over the distance of neighbours
METALS, OTHERS = ("Li", "Na", "Mg", "Al"), ("B", "C", "N", "O", "F", "Si", "P", "Cl")
# of the Gaussians: smallest exponent (1/bohr²), ratio, and how many of each degree
WIDE, NARROW = (0.1, 2.0, (7, 3, 3, 3, 2)), (0.2, 2.0, (6, 4, 4, 4, 3))
RIDGE = 3e-5  # more than needed for the least error: coefficients are easier to learn


@dataclass(frozen=True)
class Crystal:
    """A crystal: how ASE builds its cell of two atoms, and how it is computed."""

    symbols: str
    options: dict
    metal: bool = False
    neighbours: float = 0.0  # distance over the lattice constant
    # of k points about Γ: without the symmetry of the crystal it would leave a mark on the density
    mesh: tuple[int, int, int] = (4, 4, 4)


CRYSTALS = {
    "Li": Crystal(
        "Li2", {"crystalstructure": "bcc", "a": 3.44, "cubic": True}, True, 0.866, (6, 6, 6)
    ),
    "Na": Crystal(
        "Na2", {"crystalstructure": "bcc", "a": 4.20, "cubic": True}, True, 0.866, (4, 4, 4)
    ),
    "Mg": Crystal("Mg2", {"crystalstructure": "hcp", "a": 3.19, "c": 5.19}, True, 1.0, (6, 6, 4)),
    "Al": Crystal(
        "Al2", {"crystalstructure": "fcc", "a": 4.04, "orthorhombic": True}, True, 0.707, (6, 6, 4)
    ),
    "C": Crystal("C2", {"crystalstructure": "diamond", "a": 3.57}, False, 0.433),
    "Si": Crystal("Si2", {"crystalstructure": "diamond", "a": 5.47}, False, 0.433),
    "SiC": Crystal("SiC", {"crystalstructure": "zincblende", "a": 4.38}, False, 0.433),
    "BN": Crystal("BN", {"crystalstructure": "zincblende", "a": 3.63}, False, 0.433),
    "AlP": Crystal("AlP", {"crystalstructure": "zincblende", "a": 5.51}, False, 0.433),
    "LiF": Crystal("LiF", {"crystalstructure": "rocksalt", "a": 4.07}, False, 0.5),
    "MgO": Crystal("MgO", {"crystalstructure": "rocksalt", "a": 4.26}, False, 0.5),
    "NaCl": Crystal("NaCl", {"crystalstructure": "rocksalt", "a": 5.70}, False, 0.5),
}


# -- cells -----------------------------------------------------------------------------------


def jobs():
    """Name, crystal and number of every cell, those of all crystals taking turns."""
    order = [0, 1, 2, 10, 3, 4, 11, 5, 13, 6, 7, 8, 12, 9, 14, 15, 16, 17]
    assert sorted(order) == sorted(n for numbers in PARTS.values() for n in numbers)
    return [(f"{name}-{n:02d}", name, n) for n in order for name in CRYSTALS]


def cell(name, n):
    """Atoms of a cell: doubled if it is one of those, strained and rattled."""
    from ase.build import bulk

    crystal = CRYSTALS[name]
    compound = crystal.options["crystalstructure"] in ("zincblende", "rocksalt")
    atoms = bulk("SiC" if compound else name, **crystal.options)
    atoms.symbols[:] = crystal.symbols
    if n == 0:
        return atoms
    if n in DOUBLED:
        times = [1, 1, 1]
        times[DOUBLED[n]] = 2
        atoms = atoms.repeat(times)
    rng = np.random.default_rng([SEED, list(CRYSTALS).index(name), n])
    strain = rng.uniform(-STRAIN, STRAIN, (3, 3))
    strain = (strain + strain.T) / 2
    strain += np.eye(3) * (rng.uniform(-STRAIN, STRAIN) - np.trace(strain) / 3)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    moves = rng.normal(size=(len(atoms), 3))
    moves -= moves.mean(axis=0)
    length = rng.uniform(*RATTLE) * crystal.neighbours * crystal.options["a"]
    atoms.positions += moves * length / np.sqrt(np.square(moves).sum(axis=1).mean())
    return atoms


# -- densities ---------------------------------------------------------------------------------


def calculated(name, atoms, doubled=None, finer=1, cutoff=CUTOFF, log=None):
    """The smooth density (e/Å³) of a cell on its grid, its energy (eV) and forces (eV/Å).

    ``doubled`` is the number of the vector that is twice as long, if one is.
    """
    from gpaw import GPAW, PW, FermiDirac

    metal = CRYSTALS[name].metal
    size = np.array(CRYSTALS[name].mesh) * finer
    if doubled is not None:  # the same k points, folded
        size[doubled] //= 2
    atoms = atoms.copy()
    atoms.calc = GPAW(
        mode=PW(cutoff),
        xc="PBE",
        kpts={"size": size.tolist(), "gamma": True},
        occupations=FermiDirac(0.1 if metal else 0.0),
        convergence={"density": 1e-5, "eigenstates": 1e-6},
        txt=log,
    )
    energy = atoms.get_potential_energy()
    return atoms.calc.get_pseudo_density(), energy, atoms.get_forces()


def compute(work):
    """Compute what is not there yet."""
    for label, name, n in jobs():
        path = work / f"{label}.npz"
        if path.exists():
            continue
        atoms = cell(name, n)
        log = str(work / f"{label}.txt")
        density, energy, forces = calculated(name, atoms, DOUBLED.get(n), log=log)
        temporary = path.with_suffix(".part.npz")
        np.savez(
            temporary,
            species=atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell.array,
            density=density,
            energy=energy,
            forces=forces,
        )
        os.replace(temporary, path)
        print(f"{label}: {density.shape}, {density.mean() * atoms.get_volume():.4f} e", flush=True)


def resampled(values, shape):
    """A periodic function on another grid, by its Fourier series."""
    if values.shape == tuple(shape):
        return values
    series = np.fft.fftn(values, norm="forward")
    for axis, n in enumerate(shape):
        half = (min(n, series.shape[axis]) - 1) // 2
        waves = np.arange(-half, half + 1)
        kept = np.take(series, waves, axis)
        wider = list(series.shape)
        wider[axis] = n
        series = np.zeros(wider, complex)
        np.moveaxis(series, axis, 0)[waves] = np.moveaxis(kept, axis, 0)
    return np.fft.ifftn(series, norm="forward").real


def converge(work):
    """Print how much of the density of one cell changes with more k points, more plane waves."""
    for name in CRYSTALS:
        own = np.load(work / f"{name}-01.npz")
        atoms = cell(name, 1)
        print(f"{name:5}", end="", flush=True)
        for finer, cutoff in ((2, CUTOFF), (1, 1.5 * CUTOFF)):
            found, _, _ = calculated(name, atoms, None, finer, cutoff)
            share = 100 * np.abs(resampled(found, own["density"].shape) - own["density"]).mean()
            share /= own["density"].mean()
            print(f"  {finer}x k, {cutoff:.0f} eV: {share:.3f} %", end="", flush=True)
        print(flush=True)


# -- fits --------------------------------------------------------------------------------------


def basis():
    """Gaussians of valence densities: wider ones for metals."""
    from euclidium.atoms.basis import DensityBasis, even_tempered

    metals = even_tempered(METALS, *WIDE)
    others = even_tempered(OTHERS, *NARROW)
    return DensityBasis("smooth-crystals", {**metals.shells, **others.shells})


def pack(work):
    """Fit, and write what the package holds."""
    from euclidium.analyze.density_fit import fit_atoms
    from euclidium.atoms.density_file import write_densities

    found = {label: np.load(work / f"{label}.npz") for label, _, _ in sorted(jobs())}
    volumes = {label: volume(own) for label, own in found.items()}
    of_atoms = [volumes[label] for label, _, n in sorted(jobs()) if n in ATOMS]
    gaussians = fit_atoms(of_atoms, basis(), RIDGE)
    for part, numbers in PARTS.items():
        labels = [label for label, _, n in sorted(jobs()) if n in numbers]
        records = [fitted(label, volumes[label], found[label], gaussians) for label in labels]
        write_densities(HERE / f"{part}.npz", records)
        if part in GRIDS:
            grids = {label: volumes[label].values.astype(np.float32) for label in labels}
            np.savez_compressed(HERE / f"{GRIDS[part]}.npz", **grids)
    with open(HERE / "SHA256SUMS", "w") as file:
        for name in (*PARTS, *GRIDS.values()):
            digest = hashlib.sha256((HERE / f"{name}.npz").read_bytes()).hexdigest()
            file.write(f"{digest}  {name}.npz\n")


def volume(own):
    """The density of a result on its grid."""
    from euclidium.atoms.structure import Structure
    from euclidium.atoms.volumetric import Volume

    structure = Structure(own["species"], own["positions"], own["cell"], np.ones(3, dtype=bool))
    return Volume(structure, own["density"], own["cell"], np.zeros(3))


def fitted(label, grid, own, gaussians):
    """The record of a cell: Gaussians fitted to its density, energy and forces."""
    from dataclasses import replace

    from euclidium.analyze.density_fit import fit_volume

    record = fit_volume(grid, gaussians, RIDGE, label)
    print(f"{label}: {record.fit_error:.3f} %", flush=True)
    info = {**record.info, "method": "GPAW PBE, smooth valence density"}
    return replace(record, energy=float(own["energy"]), forces=own["forces"], info=info)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("compute", "converge", "pack"))
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    {"compute": compute, "converge": converge, "pack": pack}[arguments.step](arguments.work)


if __name__ == "__main__":
    main()
