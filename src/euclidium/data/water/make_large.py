"""Make the medium and large clusters: electron densities of 5 to 30 molecules, as in ``make.py``.

Needs euclidium, and what ``make.py`` needs.  Each cluster keeps its result in the work folder and
is skipped when it is there already.

    python make_large.py medium --work large-work
    python make_large.py medium-test --work large-work
    python make_large.py large --work large-work

Clusters grow molecule by molecule (``make.py`` turns all molecules until none overlap, which a
large cluster never does), then follows the same dynamics with GFN2-xTB, of which the last snapshot
is kept, then PBE0/def2-SVP and the same density fit; no forces.  The medium ones, to train with and
to test with, and those of 30 molecules have the Coulomb and exchange integrals of the calculation
fitted (def2-universal-jkfit), which is faster, and the later ones of both sets a coarser grid as
well; ``check`` measures what that changes.
"""

import argparse
import hashlib
import math
from dataclasses import replace
from pathlib import Path

import ase.io
import make
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from euclidium.analyze.fields import epsilon
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_file import embedded_densities, read_densities, write_densities
from euclidium.atoms.structure import Structure
from euclidium.simulate.quantum import fit_density, fit_error

# molecules, and which of that size; in the order in which they are made
SIZES = (8, 10, 7, 12, 9, 11)
LARGER = (12, 14, 16, 18, 20)
EVERY = (14, 12, 10, 8)
SMALLER = (5, 6)
SETS = {
    "large": ((10, 0), (16, 0), (20, 0), (30, 0), (16, 1), (20, 1), (20, 2), (30, 1)),
    "medium": (
        *((n, which) for which in range(100, 108) for n in SIZES),
        *((n, which) for which in range(110, 114) for n in LARGER),
        *((n, which) for which in range(110, 130) for n in SMALLER),
        *((n, which) for which in range(130, 140) for n in EVERY),
    ),
    "medium-test": tuple((n, which) for which in range(108, 110) for n in SIZES),
}
FITTED = 30  # molecules from which on the large ones are computed with fitted integrals
COARSE = {"large": 1, "medium": 130}  # which are the first with fitted integrals on a coarse grid


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


def compute(work, kind, n, which):
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
    coarse = which >= COARSE.get(kind, math.inf)
    fitted = coarse or kind != "large" or n >= FITTED
    density, field = fitted_density(atoms, fitted, coarse)
    error = fit_error(density, field, field.make_rdm1())
    density = replace(
        density, structure=replace(density.structure, info={"id": name, "molecules": n})
    )
    record = DensityRecord(
        name,
        density,
        energy=field.e_tot * units.Hartree,
        dipole=field.dip_moment(unit="AU", verbose=0) * units.Bohr,
        fit_error=error,
        info={
            "method": "PBE0/def2-SVP",
            "integrals": "fitted, def2-universal-jkfit" if fitted else "exact",
            "metric": "coulomb",
            "molecules": n,
            "kind": "dynamics",
            "temperature": float(atoms.info["temperature"]),
            **({"grid": 1} if coarse else {}),
        },
    )
    write_densities(target, [record])
    print(name, record.energy, "eV, fit error", round(error, 3), "%", flush=True)


def fitted_density(atoms, fitted, coarse=False):
    """The density of a cluster as coefficients, and the calculation that it is from."""
    field = make.mean_field(atoms, fitted, coarse)
    structure = Structure(atoms.numbers.astype(np.int64), atoms.positions)
    basis = embedded_densities("water", "test")[0].density.basis
    electrons = 10.0 * (len(atoms) // 3)
    coefficients = fit_density(structure, basis, field.mol, field.make_rdm1(), electrons)
    return Density(structure, basis, coefficients), field


def check():
    """What fitted integrals change in the density of ten molecules, and a coarse grid with them."""
    exact = embedded_densities("water", "large")[0].density
    atoms = exact.structure.to_ase()
    for coarse in (False, True):
        density, _ = fitted_density(atoms, True, coarse)
        off = np.linalg.norm(density.dipole - exact.dipole)
        print("coarse grid:" if coarse else "fitted integrals:", end=" ")
        print(f"ε = {epsilon(density, exact):.2e} % of the electrons, dipole {off:.1e} e·Å")


def pack(work, kind):
    """One file of all clusters of a set that are there, with its checksum."""
    target = make.HERE / f"{kind}.npz"
    found = [work / f"w{n}-{which:03d}.npz" for n, which in sorted(SETS[kind])]
    records = [record for path in found if path.exists() for record in read_densities(path)]
    write_densities(target, records)
    sums = make.HERE / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if not line.endswith(target.name)]
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    sums.write_text("\n".join([*lines, f"{digest}  {target.name}"]) + "\n")
    print(len(records), "clusters in", target.name)


def main():
    """Make the clusters of a set, or check them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=[*SETS, "check"])
    parser.add_argument("--work", type=Path, default=Path("large-work"), help="work folder")
    parser.add_argument("--pack", action="store_true", help="only write what is there")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.step == "check":
        check()
        return
    if not args.pack:
        for n, which in SETS[args.step]:
            compute(args.work, args.step, n, which)
    pack(args.work, args.step)


if __name__ == "__main__":
    main()
