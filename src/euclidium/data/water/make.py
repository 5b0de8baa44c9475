"""Make the water data set: energies, forces, dipoles and fitted electron densities of clusters.

Needs PySCF (written for 2.14), tblite with its ASE calculator, ASE, NumPy and SciPy.  Everything is
resumable: each geometry and each calculation keeps its result in the work folder and is skipped
when it is there already.  On one core the whole takes about one hour.

    python make.py all --work water-work --jobs 2

Steps, in the order in which ``all`` runs them:

``geometries``  random packings of distorted molecules, and snapshots of GFN2-xTB molecular dynamics
``compute``     PBE0/def2-SVP and the density fit of every geometry
``checks``      forces against finite differences, and the isolated atoms
``pack``        ``train.extxyz.xz``, ``test.extxyz.xz``, ``densities.npz`` and ``SHA256SUMS``
"""

import argparse
import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from scipy.special import gamma

HERE = Path(__file__).resolve().parent
SEED = 20240915
XC = "pbe0"
BASIS = "def2-svp"
FIT_BASIS = "def2-universal-jfit"
# Molecules per cluster: how many clusters are random packings, how many are MD snapshots.
COUNTS = {1: (20, 40), 2: (30, 60), 3: (30, 60), 4: (17, 33), 5: (2, 6), 6: (2, 6)}
TEST = (5, 6)
SNAPSHOTS = 3  # taken from each MD run


# ---------------------------------------------------------------------------------- geometries


def random_rotation(rng):
    """A uniformly distributed rotation matrix."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def distorted_molecule(rng):
    """One molecule with the oxygen at the origin, random orientation and internal coordinates."""
    lengths = rng.normal(0.965, 0.03, size=2).clip(0.88, 1.08)
    angle = np.radians(np.clip(rng.normal(104.5, 6.0), 88, 122))
    positions = np.array(
        [
            [0, 0, 0],
            [lengths[0], 0, 0],
            [lengths[1] * np.cos(angle), lengths[1] * np.sin(angle), 0],
        ]
    )
    return positions @ random_rotation(rng).T


def acceptable(atoms):
    """Whether no two molecules overlap and none has left the others."""
    n = len(atoms) // 3
    distances = atoms.get_all_distances()
    owner = np.arange(len(atoms)) // 3
    between = owner[:, None] != owner[None, :]
    hydrogen = atoms.numbers == 1
    least = np.where(
        hydrogen[:, None] & hydrogen[None, :],
        1.65,
        np.where(hydrogen[:, None] | hydrogen[None, :], 1.5, 2.4),
    )
    if np.any(distances[between] < least[between]):
        return False
    oxygen = distances[::3, ::3] + 10 * np.eye(n)
    if n > 1 and oxygen.min(axis=1).max() > 4.2:
        return False
    bonds = np.array([distances[3 * i, 3 * i + k] for i in range(n) for k in (1, 2)])
    return bonds.min() > 0.85 and bonds.max() < 1.2


def packing(n, rng):
    """A cluster in which each new molecule sits 2.6 to 3.5 Å away from another one."""
    while True:
        oxygens = [np.zeros(3)]
        while len(oxygens) < n:
            step = rng.normal(size=3)
            step *= rng.uniform(2.6, 3.5) / np.linalg.norm(step)
            new = oxygens[rng.integers(len(oxygens))] + step
            if min(np.linalg.norm(new - o) for o in oxygens) >= 2.6:
                oxygens.append(new)
        for _ in range(20):
            positions = np.concatenate([o + distorted_molecule(rng) for o in oxygens])
            atoms = Atoms("OHH" * n, positions)
            if acceptable(atoms):
                return atoms


def dynamics(n, rng):
    """Snapshots of a Langevin run of GFN2-xTB at 300 to 500 K (monomers: up to 1500 K)."""
    from tblite.ase import TBLite

    while True:
        atoms = packing(n, rng)
        temperature = rng.uniform(300, 1500 if n == 1 else 500)
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
        md = Langevin(
            atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng
        )
        snapshots = []
        for steps in (240, 160, 160)[:SNAPSHOTS]:
            md.run(steps)
            snapshot = Atoms(atoms.symbols, atoms.positions - atoms.get_center_of_mass())
            if acceptable(snapshot):
                snapshot.info["temperature"] = round(temperature, 1)
                snapshots.append(snapshot)
        if len(snapshots) == SNAPSHOTS:
            return snapshots


def geometries(work):
    """Make all clusters and write them to ``geometries.extxyz``."""
    target = work / "geometries.extxyz"
    if target.exists():
        return
    frames = []
    for n, (packed, simulated) in COUNTS.items():
        rng = np.random.default_rng([SEED, n])
        made = [packing(n, rng) for _ in range(packed)]
        for atoms in made:
            atoms.info["kind"] = "packing"
        while len(made) < packed + simulated:
            for atoms in dynamics(n, rng):
                atoms.info["kind"] = "dynamics"
                made.append(atoms)
        for i, atoms in enumerate(made[: packed + simulated]):
            atoms.positions -= atoms.get_center_of_mass()
            atoms.positions = atoms.positions @ random_rotation(rng).T
            atoms.info["id"] = f"w{n}-{i:03d}"
            atoms.info["molecules"] = n
            frames.append(atoms)
        print(n, "molecules:", len(made), "clusters", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    ase.io.write(target, frames, format="extxyz")


# ---------------------------------------------------------------------------------- densities


def fit_shells():
    """{element: [(l, exponent), ...]} of the decontracted fit basis, in the order of the file."""
    from pyscf import gto

    shells = {}
    for element in ("H", "O"):
        found = set()
        for l, *primitives in gto.basis.load(FIT_BASIS, element):
            found |= {(int(l), float(primitive[0])) for primitive in primitives}
        shells[element] = sorted(found, key=lambda shell: (shell[0], -shell[1]))
    return shells


def fit_molecule(mol):
    """The same molecule with the decontracted fit basis in place of the orbital basis."""
    from pyscf import gto

    basis = {
        element: [[l, [exponent, 1.0]] for l, exponent in shells]
        for element, shells in fit_shells().items()
    }
    used = {mol.atom_pure_symbol(i) for i in range(mol.natm)}
    fit = gto.M(
        atom=mol._atom,
        unit="Bohr",
        basis={element: basis[element] for element in used},
        spin=mol.spin,
        verbose=0,
    )
    expected = [s for i in range(mol.natm) for s in fit_shells()[mol.atom_pure_symbol(i)]]
    got = [(fit.bas_angular(b), fit.bas_exp(b)[0]) for b in range(fit.nbas)]
    assert np.allclose(expected, got)
    return fit


def moments(fit):
    """Integral (electrons) and dipole (e bohr, of the electrons' number) of each fit function."""
    charge = np.zeros(fit.nao)
    dipole = np.zeros((fit.nao, 3))
    start = 0
    for b in range(fit.nbas):
        l, a = fit.bas_angular(b), fit.bas_exp(b)[0]
        norm = np.sqrt(2 * (2 * a) ** (l + 1.5) / gamma(l + 1.5))
        if l == 0:
            charge[start] = norm / np.sqrt(4 * np.pi) * (np.pi / a) ** 1.5
            dipole[start] = charge[start] * fit.atom_coord(fit.bas_atom(b))
        elif l == 1:
            first = norm * np.sqrt(3 / (4 * np.pi)) * (np.pi / a) ** 1.5 / (2 * a)
            dipole[start : start + 3] = first * np.eye(3)
        start += 2 * l + 1
    return charge, dipole


def fit_density(mol, matrix, coulomb, grids):
    """Fit a density matrix; returns coefficients and the measures of what the fit has left over."""
    from pyscf import df, dft

    fit = fit_molecule(mol)
    three = df.incore.aux_e2(mol, fit, "int3c2e", aosym="s1")
    right = np.einsum("ijP,ij->P", three, matrix)
    metric = fit.intor("int2c2e")
    charge, dipole = moments(fit)
    electrons = float(np.einsum("ij,ij->", mol.intor("int1e_ovlp"), matrix))
    size = len(right)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = metric
    system[:size, size] = system[size, :size] = charge
    # rows and columns scaled to a unit diagonal, for the accuracy of the solution
    scale = np.append(1 / np.sqrt(np.diag(metric)), 1.0)
    system *= scale[:, None] * scale
    solution = scale * np.linalg.solve(system, scale * np.append(right, electrons))
    coefficients = solution[:size]

    exact = float(np.einsum("ij,ij->", matrix, coulomb))
    residual = 0.5 * (exact - 2 * coefficients @ right + coefficients @ metric @ coefficients)
    difference = total = 0.0
    for chunk in np.array_split(np.arange(len(grids.weights)), 1 + len(grids.weights) // 20000):
        points, weights = grids.coords[chunk], grids.weights[chunk]
        values = dft.numint.eval_ao(mol, points)
        density = np.einsum("gi,ij,gj->g", values, matrix, values, optimize=True)
        fitted = dft.numint.eval_ao(fit, points) @ coefficients
        difference += weights @ np.abs(density - fitted)
        total += weights @ density
    centres = mol.atom_charges() @ mol.atom_coords()
    return {
        "coefficients": coefficients,
        "electrons": charge @ coefficients,
        "fit_dipole": (centres - coefficients @ dipole) * units.Bohr,
        "fit_error_percent": 100 * difference / total,
        "fit_residual_coulomb": residual * units.Hartree,
    }


# ---------------------------------------------------------------------------------- PySCF


def mean_field(atoms, fitted=False, coarse=False):
    """Converged Kohn-Sham calculation of a cluster.

    ``fitted``: with fitted Coulomb integrals; ``coarse``: on a grid of level 1, to 1e-7 Ha.
    """
    from pyscf import dft, gto, lib

    lib.num_threads(1)
    mol = gto.M(
        atom=[
            (s, tuple(p))
            for s, p in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)
        ],
        basis=BASIS,
        unit="Angstrom",
        verbose=0,
    )
    # PySCF's own value of the bohr differs from ASE's in the ninth digit: use one value
    mol.set_geom_(atoms.positions / units.Bohr, unit="Bohr")
    field = dft.RKS(mol)
    if fitted:
        field = field.density_fit(auxbasis="def2-universal-jkfit")
    field.xc = XC
    field.grids.level = 1  # the first cycles on a coarse grid take a fifth of the time
    field.conv_tol = 1e-7 if coarse else 1e-6
    field.kernel()
    if not coarse:
        guess = field.make_rdm1()
        field.grids = dft.gen_grid.Grids(mol)
        field.grids.level = 3
        field.conv_tol = 1e-10
        field.kernel(dm0=guess)
    if not field.converged:
        raise RuntimeError("no self-consistency")
    return field


def compute_one(folder, atoms):
    """Compute one cluster and keep the result in a file of its own."""
    target = folder / f"{atoms.info['id']}.npz"
    if target.exists():
        return
    field = mean_field(atoms)
    gradient = field.nuc_grad_method()
    gradient.grid_response = True
    forces = -gradient.kernel() * units.Hartree / units.Bohr
    matrix = field.make_rdm1()
    result = fit_density(field.mol, matrix, field.get_j(field.mol, matrix), field.grids)
    dipole = field.dip_moment(unit="AU", verbose=0) * units.Bohr
    partial = target.with_suffix(".part.npz")
    np.savez(partial, energy=field.e_tot * units.Hartree, forces=forces, dipole=dipole, **result)
    partial.rename(target)


def compute(work, jobs):
    """Compute all clusters, in an order in which any first part has all sizes."""
    folder = work / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    frames = ase.io.read(work / "geometries.extxyz", ":")
    rank = {}
    for atoms in frames:
        same = [other for other in frames if other.info["molecules"] == atoms.info["molecules"]]
        order = np.random.default_rng(SEED).permutation(len(same))
        for i, other in zip(order, same, strict=True):
            rank[other.info["id"]] = i / len(same)
    frames.sort(key=lambda atoms: rank[atoms.info["id"]])
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(compute_one, [folder] * len(frames), frames))


def spherical_atom(element):
    """Energy (eV) and fit of the spherical, spin-restricted atom with fractional occupations."""
    from pyscf import dft, gto
    from pyscf.scf.atom_ks import AtomSphAverageRKS

    mol = gto.M(atom=[(element, (0, 0, 0))], basis=BASIS, spin=None, verbose=0)
    field = AtomSphAverageRKS(mol)
    field.xc = XC
    field.conv_tol = 1e-11
    field.kernel()
    matrix = field.make_rdm1()
    grids = dft.gen_grid.Grids(mol)
    grids.level = 5
    grids.build()
    coulomb = field.get_j(mol, matrix)
    return field.e_tot * units.Hartree, fit_density(mol, matrix, coulomb, grids)


def polarised_atom(element, spin):
    """Energy (eV) of the isolated atom in its spin-polarised ground state."""
    from pyscf import dft, gto

    mol = gto.M(atom=[(element, (0, 0, 0))], basis=BASIS, spin=spin, verbose=0)
    field = dft.UKS(mol)
    field.xc = XC
    field.grids.level = 5
    field.conv_tol = 1e-11
    return field.kernel() * units.Hartree


def checks(work):
    """Compare forces with finite differences and print the isolated atoms."""
    frames = ase.io.read(work / "geometries.extxyz", ":")
    atoms = next(a for a in frames if a.info["molecules"] == 3 and a.info["kind"] == "dynamics")
    compute_one(work / "frames", atoms)
    stored = np.load(work / "frames" / f"{atoms.info['id']}.npz")["forces"]
    for atom, axis in ((0, 0), (4, 1), (6, 2)):
        energies = []
        for step in (-0.001, 0.001):
            moved = atoms.copy()
            moved.positions[atom, axis] += step
            energies.append(mean_field(moved).e_tot * units.Hartree)
        slope = -(energies[1] - energies[0]) / 0.002
        print("force", atom, axis, stored[atom, axis], "difference", slope, "eV/Å")
    for element, spin in (("H", 1), ("O", 2)):
        energy, fit = spherical_atom(element)
        print(element, "spherical", energy, "eV, fit error", fit["fit_error_percent"], "%")
        print(element, "electrons", fit["electrons"])
        print(element, "spin-polarised", polarised_atom(element, spin), "eV")


def pack(work):
    """Write the files of the data set."""
    frames = ase.io.read(work / "geometries.extxyz", ":")
    splits = {"train": [], "test": []}
    arrays = {}
    for name in splits:
        parts = []
        for atoms in frames:
            path = work / "frames" / f"{atoms.info['id']}.npz"
            if (atoms.info["molecules"] in TEST) != (name == "test") or not path.exists():
                continue
            data = np.load(path)
            atoms.calc = SinglePointCalculator(
                atoms, energy=float(data["energy"]), forces=data["forces"], dipole=data["dipole"]
            )
            splits[name].append(atoms)
            parts.append(data)
        arrays |= {
            f"{name}_id": np.array([atoms.info["id"] for atoms in splits[name]]),
            f"{name}_coefficients": np.concatenate([d["coefficients"] for d in parts]),
            f"{name}_offsets": np.cumsum([0] + [len(d["coefficients"]) for d in parts]),
        }
        for key in ("fit_dipole", "fit_error_percent", "fit_residual_coulomb"):
            arrays[f"{name}_{key}"] = np.array([d[key] for d in parts])
        worst = max(abs(float(d["electrons"]) - round(float(d["electrons"]))) for d in parts)
        shift = np.array([d["fit_dipole"] - d["dipole"] for d in parts])
        error = arrays[f"{name}_fit_error_percent"]
        print(
            f"{name}: {len(parts)} frames; electrons within {worst:.1e}; fit error "
            f"{error.mean():.3f} % ({error.min():.3f}-{error.max():.3f}); dipole of the fit "
            f"rms {np.sqrt((shift**2).mean()):.4f} e·Å; residual "
            f"{arrays[f'{name}_fit_residual_coulomb'].mean():.5f} eV"
        )
        ase.io.write(HERE / f"{name}.extxyz.xz", splits[name], format="extxyz")
    for element, shells in fit_shells().items():
        energy, fit = spherical_atom(element)
        arrays |= {
            f"{element}_l": np.array([l for l, _ in shells]),
            f"{element}_exponents": np.array([exponent for _, exponent in shells]),
            f"{element}_atom_coefficients": fit["coefficients"],
            f"{element}_atom_energy": np.array(energy),
        }
    np.savez_compressed(HERE / "densities.npz", **arrays)
    names = ("train.extxyz.xz", "test.extxyz.xz", "densities.npz")
    sums = [f"{hashlib.sha256((HERE / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (HERE / "SHA256SUMS").write_text("".join(sums))


def main():
    """Run the chosen step, or all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = {
        "geometries": lambda args: geometries(args.work),
        "compute": lambda args: compute(args.work, args.jobs),
        "checks": lambda args: checks(args.work),
        "pack": lambda args: pack(args.work),
    }
    parser.add_argument("step", choices=[*steps, "all"])
    parser.add_argument("--work", type=Path, default=Path("water-work"), help="work folder")
    parser.add_argument("--jobs", type=int, default=1, help="calculations at the same time")
    args = parser.parse_args()
    for name, step in steps.items():
        if args.step in (name, "all"):
            step(args)


if __name__ == "__main__":
    main()
