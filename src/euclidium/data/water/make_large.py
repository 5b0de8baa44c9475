"""Make the large clusters: electron densities of 10 to 30 molecules, as in ``make.py``.

Needs euclidium, and what ``make.py`` needs.  Each cluster keeps its result in the work folder and
is skipped when it is there already.

    python make_large.py --work large-work

Clusters grow molecule by molecule (``make.py`` turns all molecules until none overlap, which a
large cluster never does), then follows the same dynamics with GFN2-xTB, of which the last snapshot
is kept, then PBE0/def2-SVP and the same density fit; no forces.
"""

import argparse
import hashlib
from pathlib import Path

import ase.io
import make
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_file import embedded_densities, read_densities, write_densities
from euclidium.atoms.density_orders import from_pyscf
from euclidium.atoms.structure import Structure

# molecules, and which of that size; in the order in which they are made
CLUSTERS = ((10, 0), (16, 0), (20, 0), (30, 0), (10, 1), (16, 1), (20, 1))
TARGET = make.HERE / "large.npz"


def grow(n, rng):
    """A cluster in which each molecule finds a place 2.6 to 3.5 Å away from another one."""
    positions = make.distorted_molecule(rng)
    while len(positions) < 3 * n:
        step = rng.normal(size=3)
        step *= rng.uniform(2.6, 3.5) / np.linalg.norm(step)
        new = positions[3 * rng.integers(len(positions) // 3)] + step
        trial = np.concatenate([positions, new + make.distorted_molecule(rng)])
        if make.acceptable(Atoms("OHH" * (len(trial) // 3), trial)):
            positions = trial
    return Atoms("OHH" * n, positions)


def geometry(n, rng):
    """The end of a Langevin run of GFN2-xTB, 280 fs at 300 to 500 K."""
    from tblite.ase import TBLite

    while True:
        atoms = grow(n, rng)
        temperature = rng.uniform(300, 500)
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
        Langevin(
            atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng
        ).run(560)
        found = Atoms(atoms.symbols, atoms.positions - atoms.get_center_of_mass())
        if make.acceptable(found):
            found.positions = found.positions @ make.random_rotation(rng).T
            found.info["temperature"] = round(float(temperature), 1)
            return found


def projections(mol, fit, matrix):
    """Σ (ij|P) D_ij, a few functions P at a time."""
    from pyscf import df

    parts = []
    for start in range(0, fit.nbas, 40):
        stop = min(start + 40, fit.nbas)
        both = (0, mol.nbas, 0, mol.nbas, mol.nbas + start, mol.nbas + stop)
        block = df.incore.aux_e2(mol, fit, "int3c2e", aosym="s2ij", shls_slice=both)
        i, j = np.tril_indices(len(matrix))
        packed = matrix[i, j] * np.where(i == j, 1.0, 2.0)
        parts.append(packed @ block)
    return np.concatenate(parts)


def fit_density(mol, matrix, grids):
    """Coefficients in PySCF's order, and the error of the fit in percent; see ``make.py``."""
    from pyscf import dft

    fit = make.fit_molecule(mol)
    right = projections(mol, fit, matrix)
    metric = fit.intor("int2c2e")
    charge, _ = make.moments(fit)
    size = len(right)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = metric
    system[:size, size] = system[size, :size] = charge
    scale = np.append(1 / np.sqrt(np.diag(metric)), 1.0)
    system *= scale[:, None] * scale
    electrons = float(mol.nelectron)
    coefficients = (scale * np.linalg.solve(system, scale * np.append(right, electrons)))[:size]
    numint = dft.numint.NumInt()
    difference = total = 0.0
    for chunk in np.array_split(np.arange(len(grids.weights)), 1 + len(grids.weights) // 10000):
        points, weights = grids.coords[chunk], grids.weights[chunk]
        values = numint.eval_ao(mol, points)
        density = np.einsum("gi,gi->g", values @ matrix, values)
        fitted = numint.eval_ao(fit, points) @ coefficients
        difference += weights @ np.abs(density - fitted)
        total += weights @ density
    return coefficients, 100 * difference / total


def compute(work, n, which):
    """Make and compute one cluster."""
    name = f"w{n}-{which:03d}"
    target, place = work / f"{name}.npz", work / f"{name}.xyz"
    if target.exists():
        return
    if not place.exists():
        atoms = geometry(n, np.random.default_rng([make.SEED, n, which]))
        ase.io.write(place, atoms, format="extxyz")
        print(name, "has a geometry", flush=True)
    atoms = ase.io.read(place)
    field = make.mean_field(atoms)
    matrix = field.make_rdm1()
    coefficients, error = fit_density(field.mol, matrix, field.grids)
    structure = Structure(
        atoms.numbers.astype(np.int64), atoms.positions, info={"id": name, "molecules": n}
    )
    basis = embedded_densities("water", "test")[0].density.basis
    density = Density(structure, basis, from_pyscf(coefficients, basis, atoms.numbers))
    record = DensityRecord(
        name,
        density,
        energy=field.e_tot * units.Hartree,
        dipole=field.dip_moment(unit="AU", verbose=0) * units.Bohr,
        fit_error=float(error),
        info={
            "method": "PBE0/def2-SVP",
            "metric": "coulomb",
            "molecules": n,
            "kind": "dynamics",
            "temperature": float(atoms.info["temperature"]),
        },
    )
    write_densities(target, [record])
    print(name, record.energy, "eV, fit error", round(error, 3), "%", flush=True)


def pack(work):
    """One file of all clusters that are there, with its checksum."""
    found = [work / f"w{n}-{which:03d}.npz" for n, which in sorted(CLUSTERS)]
    records = [record for path in found if path.exists() for record in read_densities(path)]
    write_densities(TARGET, records)
    sums = make.HERE / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if not line.endswith(TARGET.name)]
    digest = hashlib.sha256(TARGET.read_bytes()).hexdigest()
    sums.write_text("\n".join([*lines, f"{digest}  {TARGET.name}"]) + "\n")
    print(len(records), "clusters in", TARGET.name)


def main():
    """Make all clusters."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("large-work"), help="work folder")
    parser.add_argument("--pack", action="store_true", help="only write what is there")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if not args.pack:
        for n, which in CLUSTERS:
            compute(args.work, n, which)
    pack(args.work)


if __name__ == "__main__":
    main()
