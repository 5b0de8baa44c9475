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
from euclidium.atoms.structure import Structure
from euclidium.simulate.quantum import fit_density, fit_error

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
    structure = Structure(
        atoms.numbers.astype(np.int64), atoms.positions, info={"id": name, "molecules": n}
    )
    basis = embedded_densities("water", "test")[0].density.basis
    coefficients = fit_density(structure, basis, field.mol, matrix, 10.0 * n)
    density = Density(structure, basis, coefficients)
    error = fit_error(density, field, matrix)
    record = DensityRecord(
        name,
        density,
        energy=field.e_tot * units.Hartree,
        dipole=field.dip_moment(unit="AU", verbose=0) * units.Bohr,
        fit_error=error,
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
