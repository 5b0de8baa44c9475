"""Make the data sets of sodium chloride and magnesium oxide: frames and phonons from one method.

Needs ABINIT (written for 9.6.2: the programs ``abinit``, ``mrgddb`` and ``anaddb`` on the PATH),
the pseudopotentials of Debian's package ``abinit-data``, ASE and NumPy.  Everything is resumable:
each calculation keeps its result in the work folder and is skipped when it is there already.  On
one core each crystal takes about half an hour.

    python make.py nacl all --work rocksalt-runs
    python make.py mgo all --work rocksalt-runs

Steps, in the order in which ``all`` runs them:

``relax``     the lattice constant of the method
``phonons``   density-functional perturbation theory on a 4x4x4 grid of q points
``frames``    the rattled and strained cells
``checks``    forces and stress against finite differences of the energy
``converge``  the lattice constant and the phonons at Γ for other cutoffs and k-point meshes
``pack``      ``train.extxyz.xz``, ``test.extxyz.xz`` and ``SHA256SUMS``
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_masses, atomic_numbers

DATA = Path(__file__).resolve().parents[1]
SEED = 20251121
HARTREE_TO_THZ = 6579.683920502
PER_CM_TO_THZ = 0.0299792458
N_GRID = 4  # q points along each axis, and k points in the primitive cell
MESH = 16  # q points along each axis for the density of states
NEAR = 1e-3  # of the way along a segment: where LO and TO at Γ are evaluated


@dataclass(frozen=True)
class Crystal:
    """A crystal and the method it is computed with."""

    symbols: tuple[str, str]
    lattice_constant: float  # Å
    relaxed: bool  # whether that is only where the search for zero stress starts
    pseudos: tuple[str, str]
    ecut: float  # hartree
    highest: float  # THz, end of the density of states


CRYSTALS = {
    "nacl": Crystal(
        symbols=("Na", "Cl"),
        lattice_constant=5.64,  # measured; that of zero stress is 3 % less, as is usual in LDA
        relaxed=False,
        pseudos=("PseudosTM_pwteter/11na.pspnc", "PseudosTM_pwteter/17cl.pspnc"),
        ecut=18.0,
        highest=9.0,
    ),
    "mgo": Crystal(
        symbols=("Mg", "O"),
        lattice_constant=4.17,
        relaxed=True,
        pseudos=(
            "Pseudodojo_nc_sr_04_pw_standard_psp8/Mg-low.psp8",
            "Pseudodojo_nc_sr_04_pw_standard_psp8/O.psp8",
        ),
        ecut=30.0,
        highest=24.0,
    ),
}

# Cells whose rows are these numbers of the lattice vectors (0 1/2 1/2), (1/2 0 1/2), (1/2 1/2 0).
# Those after ``cubic`` are named after the wave that fits into them and into no smaller one: the
# middle of Γ-L, Γ-X and Γ-K, the point W, and (3, 1, -1)/4 in units of 2π/a.  Together they hold
# all waves of the 4x4x4 grid.  The number says how many frames of twenty have the shape.
SHAPES = {
    "primitive": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 2),
    "L": ([[1, 0, 0], [0, 1, 0], [-1, 0, 2]], 1),
    "X": ([[1, 0, 0], [0, 1, -1], [-1, 1, 1]], 1),
    "cubic": ([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], 2),
    "Lambda": ([[1, 0, 0], [0, 1, 0], [-2, -1, 4]], 3),
    "Delta": ([[1, 0, 0], [0, 1, -1], [-2, 2, 2]], 3),
    "Sigma": ([[-1, 0, 0], [1, -1, -1], [0, -2, 2]], 3),
    "W": ([[-1, -1, 1], [-1, 1, -1], [0, -1, -1]], 2),
    "general": ([[1, 0, 0], [-1, 2, 0], [0, -1, 2]], 3),
}
# kind: displacements (Å, from, to), largest hydrostatic and traceless strain, share of the frames
KINDS = {
    "strain": ((0.0, 0.0), 0.05, 0.025),
    "small": ((0.01, 0.06), 0.01, 0.005),
    "medium": ((0.06, 0.15), 0.03, 0.015),
    "large": ((0.15, 0.25), 0.04, 0.02),
}
N_FRAMES = 40

QPOINTS = [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 1), (0, 1, 2), (0, 1, 3), (0, 2, 2), (1, 2, 3)]
SPECIAL = {
    "Γ": (0.0, 0.0, 0.0),
    "X": (0.5, 0.0, 0.5),
    "U": (0.625, 0.25, 0.625),
    "K": (0.375, 0.375, 0.75),
    "L": (0.5, 0.5, 0.5),
    "W": (0.5, 0.25, 0.75),
}
PATH = [
    ("Γ", "X", 40),
    ("X", "U", 14),
    ("K", "Γ", 42),
    ("Γ", "L", 35),
    ("L", "W", 28),
    ("W", "X", 20),
]


# ---------------------------------------------------------------------------------------- ABINIT


def numbers(array, digits=14):
    """Rows of numbers as text."""
    return "\n".join(" ".join(f"{x:.{digits}f}" for x in row) for row in np.atleast_2d(array))


@dataclass(frozen=True)
class Method:
    """A crystal, the folder of its runs, and what convergence tests change."""

    name: str
    folder: Path
    psp: Path
    scale: float = 1.0  # of the cutoffs
    k: int = N_GRID  # k points along each axis, in the primitive cell

    @property
    def crystal(self):
        """What the method is for."""
        return CRYSTALS[self.name]

    def structure(self, atoms):
        """Cell, atoms and the mesh of k points, as ABINIT input; Γ is one of the points."""
        to_primitive = np.array(atoms.info["supercell"])
        lattice = self.k * np.linalg.inv(to_primitive)
        assert np.allclose(lattice, np.rint(lattice)), "cell and k points do not match"
        z = [atomic_numbers[symbol] for symbol in self.crystal.symbols]
        return f"""\
acell 3*1.0
rprim
{numbers(atoms.cell.array / units.Bohr)}
natom {len(atoms)}
ntypat 2
znucl {z[0]} {z[1]}
amu {atomic_masses[z[0]]} {atomic_masses[z[1]]}
typat {" ".join(str(z.index(number) + 1) for number in atoms.numbers)}
xred
{numbers(atoms.get_scaled_positions(wrap=False))}
nband {2 * len(atoms)}
kptrlatt
{numbers(np.rint(lattice), 0)}
nshiftk 1
shiftk 0 0 0
"""

    def common(self):
        """Everything that all calculations have in common."""
        return f"""\
pp_dirpath "{self.psp}"
pseudos "{", ".join(self.crystal.pseudos)}"
ecut {self.scale * self.crystal.ecut}

ecutsm 0.5
occopt 1
diemac 3.0
chksymtnons 0
chkprim 0
nstep 60
"""

    def ground(self, name="lattice_constant"):
        """What ``relax`` has found: lattice constant (Å), energy (eV), pressure (GPa)."""
        return json.loads((self.folder / "relax" / "result.json").read_text())[name]

    def cell(self, shape="primitive"):
        """An undistorted cell of one of the shapes, at the lattice constant of all calculations."""
        return cell(self.crystal, self.ground(), shape)


SINGLE_POINT = """\
iscf 3
nline 8
tolrde 0.3
prtwf 0
prtden 0
prteig 0
prtebands 0
prtgsr 0
"""


def run_abinit(folder, text):
    """Run ABINIT in a folder, unless it has finished there before; returns the output's text."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "run.abo"
    source = folder / "run.abi"
    if output.exists() and source.exists() and source.read_text() == text:
        done = output.read_text()
        if "Calculation completed" in done:
            return done
    for old in folder.glob("run*"):
        old.unlink()
    source.write_text(text)
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with (folder / "log").open("w") as log:
        subprocess.run(
            ["abinit", source.name], cwd=folder, env=environment, stdout=log, stderr=log, check=True
        )
    done = output.read_text()
    if "Calculation completed" not in done:
        raise RuntimeError(f"ABINIT stopped early in {folder}")
    return done


def echoed(text, name):
    """The numbers of a variable from the last part of ABINIT's output."""
    lines = text[text.rindex("echo values of variables after computation") :].splitlines()
    words = [line.lstrip("-P ").split() for line in lines]
    start = next(i for i, row in enumerate(words) if row and row[0] == name)
    found = []
    for row in [words[start][1:], *(line.split() for line in lines[start + 1 :])]:
        if not row or not re.fullmatch(r"[-+]?[\d.]+(E[-+]\d+)?", row[0]):
            break
        found += [float(word) for word in row if word not in ("Bohr", "Hartree")]
    return np.array(found)


def single_point(folder, atoms, method):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3, xx yy zz yz xz xy, tension positive)."""
    result = folder / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    # without displacements forces vanish and say nothing on convergence
    stop = "toldff 5.0e-6" if atoms.info.get("displacement", 0.0) else "toldfe 1.0e-12"
    text = run_abinit(
        folder,
        method.structure(atoms) + method.common() + SINGLE_POINT + f"{stop}\n",
    )
    if "was not enough SCF cycles" in text or "is not converged" in text:
        raise RuntimeError(f"no self-consistency in {folder}")
    data = {
        "energy": echoed(text, "etotal")[0] * units.Hartree,
        "forces": (echoed(text, "fcart").reshape(-1, 3) * units.Hartree / units.Bohr).tolist(),
        "stress": (echoed(text, "strten") * units.Hartree / units.Bohr**3).tolist(),
    }
    result.write_text(json.dumps(data))
    for old in folder.glob("run*o_*"):
        old.unlink()
    return data


# ---------------------------------------------------------------------------------- cells


def cell(crystal, lattice_constant, shape="primitive"):
    """An undistorted cell of one of the shapes."""
    primitive = bulk("".join(crystal.symbols), "rocksalt", a=lattice_constant)
    matrix = np.array(SHAPES[shape][0])
    size = round(np.linalg.det(matrix))
    shifts = {
        tuple(np.round(np.array(n) @ np.linalg.inv(matrix) % 1 % 1, 9) % 1)
        for n in np.ndindex(4, 4, 4)
    }
    assert len(shifts) == size > 0
    lattice = matrix @ primitive.cell.array
    positions = [p + np.array(s) @ lattice for p in primitive.positions for s in sorted(shifts)]
    symbols = [symbol for symbol in primitive.symbols for _ in shifts]
    atoms = Atoms(symbols, positions, cell=lattice, pbc=True)
    atoms.info = {"supercell": matrix.tolist(), "shape": shape}
    return atoms


def plan():
    """(shape, kind) of every frame, in an order in which any first part is a fair sample."""
    block = [shape for shape, (_, count) in SHAPES.items() for _ in range(count)]
    kinds = ["small", "medium", "small", "large", "small"]
    rng = np.random.default_rng(SEED)
    frames = []
    for turn in range(N_FRAMES // len(block)):
        chosen = [(shape, kinds[(i + turn) % len(kinds)]) for i, shape in enumerate(block)]
        chosen[0] = ("primitive", "strain")
        frames += [chosen[i] for i in rng.permutation(len(chosen))]
    return frames


def make_frame(index, crystal, lattice_constant):
    """Frame ``index`` of the plan: a strained cell with random displacements of its atoms."""
    shape, kind = plan()[index]
    rng = np.random.default_rng([SEED, index, *map(ord, crystal.symbols[0])])
    (low, high), volumetric, deviatoric = KINDS[kind]
    atoms = cell(crystal, lattice_constant, shape)
    strain = np.zeros((3, 3))
    if kind != "small" or rng.random() > 0.5:
        hydrostatic = rng.uniform(-volumetric, volumetric)
        shear = rng.normal(size=(3, 3))
        shear = shear + shear.T
        shear -= np.eye(3) * np.trace(shear) / 3
        shear *= rng.uniform(0, deviatoric) / np.abs(shear).max()
        if kind == "strain" and rng.random() < 0.4:
            shear[:] = 0.0
        strain = hydrostatic * np.eye(3) + shear
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    amplitude = 0.0
    if high > 0:
        amplitude = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        steps = rng.normal(size=(len(atoms), 3))
        steps -= steps.mean(axis=0)
        steps *= amplitude / np.sqrt((steps**2).sum(axis=1).mean())
        atoms.positions += steps
    atoms.info |= {
        "frame": index,
        "kind": kind,
        "displacement": round(amplitude, 5),
        "hydrostatic_strain": round(float(np.trace(strain) / 3), 5),
        "shear_strain": round(float(np.abs(strain - np.eye(3) * np.trace(strain) / 3).max()), 5),
    }
    return atoms


# ---------------------------------------------------------------------------------- steps


def relax(method):
    """Find the lattice constant of zero stress, if the method wants it; return it (Å)."""
    atoms = cell(method.crystal, method.crystal.lattice_constant)
    cell_only = "optcell 1\nionmov 2\nntime 20\ndilatmx 1.05\ntolmxf 1.0e-7\n"
    text = run_abinit(
        method.folder / "relax",
        method.structure(atoms)
        + method.common()
        + (cell_only if method.crystal.relaxed else "")
        + "toldfe 1.0e-12\nnline 8\nprtwf 0\nprtden 0\n",
    )
    scale = echoed(text, "acell") if method.crystal.relaxed else np.ones(3)
    a = float(np.cbrt(4 * np.linalg.det(atoms.cell.array) * np.prod(scale)))
    energy = float(echoed(text, "etotal")[0] * units.Hartree)
    pressure = float(-echoed(text, "strten")[:3].mean() * units.Hartree / units.Bohr**3 / units.GPa)
    data = {"lattice_constant": a, "energy": energy, "pressure": pressure}
    (method.folder / "relax" / "result.json").write_text(json.dumps(data))
    print(
        f"lattice constant {a:.6f} Å, energy {energy:.6f} eV per cell of two atoms, "
        f"pressure {pressure:.4f} GPa"
    )
    return a


def compute_frames(method):
    """Compute all frames of the plan."""
    a = method.ground()
    for index in range(N_FRAMES):
        atoms = make_frame(index, method.crystal, a)
        try:
            single_point(method.folder / "frames" / f"{index:04d}", atoms, method)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print("frame", index, "failed:", error, flush=True)


def ground_state(method):
    """Wave functions of the undistorted crystal."""
    run_abinit(
        method.folder / "ground",
        method.structure(method.cell())
        + method.common()
        + "nline 8\nprtwf 1\nprtden 1\ntolwfr 1.0e-20\n",
    )


def linear_response(method, number):
    """Dynamical matrix at one q point, at Γ with the response to electric fields.

    Returns ABINIT's output and the frequencies in 1/cm as it prints them, without corrections.
    """
    q = np.array(QPOINTS[number]) / N_GRID
    wave = (method.folder / "ground" / "runo_WFK").resolve()
    text = method.structure(method.cell()) + method.common()
    text += f'getwfk_filepath "{wave}"\nprtwf 0\nprtden 0\n'
    phonon = "rfphon? 1\nrfatpol? 1 2\nrfdir? 1 1 1\ntolvrs? 1.0e-10\n"
    if number == 0:
        text += "ndtset 2\nnqpt 1\nqpt 0 0 0\nkptopt 2\n"
        text += "iscf1 -3\nrfelfd1 2\nrfdir1 1 1 1\ntolwfr1 1.0e-20\nprtwf1 1\n"
        text += "rfelfd2 3\ngetddk2 1\n" + phonon.replace("?", "2")
    else:
        text += f"nqpt 1\nqpt {q[0]} {q[1]} {q[2]}\nkptopt 3\n" + phonon.replace("?", "")
    folder = method.folder / f"q{number}"
    done = run_abinit(folder, text)
    for old in folder.glob("*_1WF*"):
        old.unlink()
    table = "".join(done[done.index("Phonon frequencies in cm-1") :].splitlines(True)[1:4])
    return done, [float(x) for x in re.findall(r"-?\d\.\d+E[-+]\d+", table)][:6]


def charges(text):
    """Born charges of the two atoms, before and after making their sum zero; dielectric constant.

    All tensors are isotropic by symmetry.
    """

    def diagonal(title, count):
        found = []
        for line in text[text.index(title) :].splitlines()[1:]:
            row = line.split()
            if len(row) == 6 and row[0].isdigit() and row[0] == row[2]:
                found.append(float(row[4]))
            if len(found) == count:
                return np.array(found)
        raise RuntimeError(f"no {title!r} in the output")

    dielectric = diagonal("Dielectric tensor, in cartesian coordinates", 3).mean()
    raw = diagonal("Effective charges, in cartesian coordinates,\n  (from electric field", 6)
    raw = raw.reshape(3, 2).mean(axis=0)  # directions of the field, atoms
    return raw, raw - raw.mean(), float(dielectric)


def at_gamma(method):
    """TO and LO (THz), raw acoustic frequency, Born charges and dielectric constant at Γ."""
    text, raw = linear_response(method, 0)
    _, born, dielectric = charges(text)
    squares = np.array(raw) * np.abs(raw) * PER_CM_TO_THZ**2
    transverse = squares[3:6].mean() - squares[:3].mean()  # acoustic sum rule
    masses = [atomic_masses[atomic_numbers[s]] * units._amu for s in method.crystal.symbols]
    reduced = masses[0] * masses[1] / sum(masses)
    volume = np.linalg.det(method.cell().cell.array) * 1e-30
    plasma = (born[0] * units._e) ** 2 / (units._eps0 * dielectric * reduced * volume)
    longitudinal = transverse + plasma / (2e12 * np.pi) ** 2
    return np.sqrt(transverse), np.sqrt(longitudinal), raw[0] * PER_CM_TO_THZ, born, dielectric


def converge(method):
    """Print the lattice constant and the phonons at Γ for other cutoffs and k-point meshes."""
    rows = []
    for scale, k in [(0.8, 4), (1.0, 4), (1.3, 4), (1.0, 6)]:
        name = f"{scale * method.crystal.ecut:g}-{k}"
        other = Method(method.name, method.folder / "converge" / name, method.psp, scale, k)
        if (scale, k) == (1.0, N_GRID):
            other = method
        a = relax(other)
        ground_state(other)
        low, high, _, born, dielectric = at_gamma(other)
        rows.append(
            f"{scale * method.crystal.ecut:7g}  {k}×{k}×{k}   {a:.5f}  "
            f"{other.ground('pressure'):5.2f}  {low:9.3f}  {high:9.3f}  {born[0]:.4f}  "
            f"{dielectric:.4f}"
        )
    print("ecut/Ha  k mesh  a/Å      p/GPa  ω(TO)/THz  ω(LO)/THz  Z*      ε", *rows, sep="\n")


def anaddb(folder, ddb, points):
    """Frequencies (THz) at fractional q points from the 4x4x4 grid, dipoles included."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("run*"):
        old.unlink()
    listed = "\n".join(" ".join(f"{x:.12f}" for x in q) + " 1.0" for q in points)
    (folder / "run.abi").write_text(
        f'ddb_filepath "{ddb.resolve()}"\nifcflag 1\nbrav 1\nngqpt {N_GRID} {N_GRID} {N_GRID}\n'
        "nqshft 1\nq1shft 0 0 0\nasr 1\nchneut 1\ndipdip 1\n"
        f"nph1l {len(points)}\nqph1l\n{listed}\n"
    )
    with (folder / "log").open("w") as log:
        subprocess.run(["anaddb", "run.abi"], cwd=folder, stdout=log, stderr=log, check=True)
    return np.loadtxt(next(folder.glob("*_PHFRQ")))[:, 1:] * HARTREE_TO_THZ


def q_path():
    """Fractional q points along the path of the band structure, the labels, their positions.

    Γ itself is replaced by a point beside it on the path, where LO and TO are split.
    """
    points, labels = [], []
    for start, end, count in PATH:
        a, b = np.array(SPECIAL[start]), np.array(SPECIAL[end])
        labels.append((len(points), start))
        t = np.linspace(0, 1, count + 1)
        t[0] += NEAR * (start == "Γ")
        t[-1] -= NEAR * (end == "Γ")
        points += list(a + t[:, None] * (b - a))
        labels.append((len(points) - 1, end))
    return np.array(points), labels


def phonons(method):
    """Phonons of the undistorted crystal from linear response, written to ``phonons.npz``."""
    ground_state(method)
    raw = np.array([linear_response(method, i)[1] for i in range(len(QPOINTS))])
    _, _, _, born, dielectric = at_gamma(method)
    ddb = method.folder / "merged_DDB"
    ddb.unlink(missing_ok=True)
    parts = [
        sorted((method.folder / f"q{i}").glob("*_DDB"))[-1].resolve() for i in range(len(QPOINTS))
    ]
    lines = [str(ddb.resolve()), method.name, str(len(parts)), *map(str, parts)]
    with (method.folder / "mrgddb.log").open("w") as log:
        subprocess.run(["mrgddb"], input="\n".join(lines), text=True, stdout=log, check=True)

    path, labels = q_path()
    grid = np.array(list(np.ndindex(N_GRID, N_GRID, N_GRID))) / N_GRID
    mesh = (np.arange(MESH) + 0.5) / MESH
    dense = np.array([(x, y, z) for x in mesh[: MESH // 2] for y in mesh for z in mesh])
    on_path = anaddb(method.folder / "path", ddb, path)
    on_grid = anaddb(method.folder / "grid", ddb, grid)
    everywhere = anaddb(method.folder / "dense", ddb, dense)

    edges = np.linspace(0.0, method.crystal.highest, 451)
    width = method.crystal.highest / 100
    dos = np.exp(-0.5 * ((edges[:, None] - everywhere.ravel()) / width) ** 2).sum(axis=1)
    dos /= len(everywhere) * width * np.sqrt(2 * np.pi)
    temperature = np.arange(0.0, 1001.0, 10.0)
    free_energy, entropy, heat_capacity = thermodynamics(everywhere, temperature)

    atoms = method.cell()
    np.savez_compressed(
        DATA / method.name / "phonons.npz",
        lattice_constant=method.ground(),
        pressure=method.ground("pressure"),
        cell=atoms.cell.array,
        positions=atoms.positions,
        scaled_positions=atoms.get_scaled_positions(),
        numbers=atoms.numbers,
        masses=atoms.get_masses(),
        born_charges=born[:, None, None] * np.eye(3),
        dielectric=dielectric * np.eye(3),
        path_q=path,
        path_distance=path_distance(path, labels, atoms),
        path_frequencies=on_path,
        label_index=np.array([i for i, _ in labels]),
        label=np.array([name for _, name in labels]),
        grid_q=grid,
        grid_frequencies=on_grid,
        direct_q=np.array(QPOINTS) / N_GRID,
        direct_frequencies=raw * PER_CM_TO_THZ,
        dos_frequency=edges,
        dos=dos,
        temperature=temperature,
        free_energy=free_energy,
        entropy=entropy,
        heat_capacity=heat_capacity,
    )
    print("TO, LO, raw acoustic (THz), Born charges, dielectric constant:", *at_gamma(method))
    print("from the interpolation, beside Γ:", on_path[0])
    print("states", np.trapezoid(dos, edges), "heat capacity at 300 K", heat_capacity[30])
    found = anaddb(method.folder / "direct", ddb, np.array(QPOINTS)[1:] / N_GRID)
    print("interpolation - computed, largest:", np.abs(found - raw[1:] * PER_CM_TO_THZ).max())


def path_distance(path, labels, atoms):
    """Distances along the path in 1/Å (with 2π); jumps between segments have no length."""
    steps = np.linalg.norm(np.diff(path, axis=0) @ atoms.cell.reciprocal() * 2 * np.pi, axis=1)
    for i, _ in labels[2::2]:
        steps[i - 1] = 0.0
    return np.concatenate([[0.0], np.cumsum(steps)])


def thermodynamics(frequencies, temperature):
    """Harmonic free energy (kJ/mol), entropy and heat capacity (J/K/mol) per primitive cell."""
    quantum = np.clip(frequencies, 1e-3, None) * 1e12 * units._hplanck  # joule
    result = []
    for t in temperature:
        if t == 0.0:
            result.append((quantum.sum(axis=1).mean() / 2, 0.0, 0.0))
            continue
        x = quantum / (units._k * t)
        n = 1 / np.expm1(x)
        free = quantum / 2 + units._k * t * np.log(-np.expm1(-x))
        entropy = units._k * ((n + 1) * np.log1p(n) - n * np.log(n, where=n > 0, out=0 * n))
        capacity = units._k * n * (n + 1) * x**2
        result.append([y.sum(axis=1).mean() for y in (free, entropy, capacity)])
    free, entropy, capacity = np.array(result).T * units._Nav
    return free / 1000, entropy, capacity


def checks(method):
    """Compare forces, stress and the phonon at Γ with finite differences; print the numbers."""
    folder = method.folder / "checks"
    index = plan().index(("L", "large")) if ("L", "large") in plan() else 0
    atoms = make_frame(index, method.crystal, method.ground())
    exact = single_point(folder / "centre", atoms, method)
    print("frame", index, "largest force", np.abs(exact["forces"]).max(), "eV/Å")

    def slope(name, change, step):
        energies = []
        for sign in (-1, 1):
            moved = atoms.copy()
            moved.info = atoms.info
            change(moved, sign * step)
            energies.append(single_point(folder / f"{name}{sign:+d}", moved, method)["energy"])
        return (energies[1] - energies[0]) / (2 * step)

    for atom, axis in ((0, 0), (3, 1)):

        def move(moved, step, atom=atom, axis=axis):
            moved.positions[atom, axis] += step

        difference = -slope(f"force-{atom}{axis}", move, 0.01)
        print("force", exact["forces"][atom][axis], "difference", difference, "eV/Å")
    for number, (i, j) in ((0, (0, 0)), (5, (0, 1))):

        def strain(moved, step, i=i, j=j):
            tensor = np.eye(3)
            tensor[i, j] += step / 2
            tensor[j, i] += step / 2
            moved.set_cell(moved.cell.array @ tensor, scale_atoms=True)

        difference = slope(f"stress-{number}", strain, 0.002) / atoms.get_volume()
        print("stress", exact["stress"][number], "difference", difference, "eV/Å^3")

    d, forces = 0.01, []
    for step in (-d, d):
        moved = method.cell()
        moved.info["displacement"] = d
        moved.positions += [[step / 2, 0, 0], [-step / 2, 0, 0]]
        forces.append(single_point(folder / f"frozen{step:+g}", moved, method)["forces"][0][0])
    stiffness = -(forces[1] - forces[0]) / (2 * d) * units._e * 1e20
    masses = moved.get_masses() * units._amu
    frozen = np.sqrt(stiffness * masses.sum() / masses.prod()) / (2e12 * np.pi)
    print("transverse optical phonon at Γ, frozen", frozen, "THz; linear response", end=" ")
    print(at_gamma(method)[0], "THz")

    # the same crystal in every shape of cell has the same energy
    for shape in SHAPES:
        undistorted = method.cell(shape)
        energy = single_point(folder / f"cell-{shape}", undistorted, method)["energy"]
        print(f"energy of {shape:9s} {energy / len(undistorted):.8f} eV per atom")


def pack(method):
    """Write the files of the data set."""
    home = DATA / method.name
    a = method.ground()
    splits = {"train": [], "test": []}
    for index in range(N_FRAMES):
        result = method.folder / "frames" / f"{index:04d}" / "result.json"
        if not result.exists():
            continue
        data = json.loads(result.read_text())
        atoms = make_frame(index, method.crystal, a)
        del atoms.info["supercell"]
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=data["energy"],
            forces=np.array(data["forces"]),
            stress=np.array(data["stress"]),
        )
        splits["test" if index % 20 in (3, 8, 10, 16) else "train"].append(atoms)
    for name, frames in splits.items():
        ase.io.write(home / f"{name}.extxyz.xz", frames, format="extxyz")
        print(name, len(frames), "frames")
    lines = []
    for name in ("train.extxyz.xz", "test.extxyz.xz", "phonons.npz"):
        lines.append(f"{hashlib.sha256((home / name).read_bytes()).hexdigest()}  {name}\n")
    (home / "SHA256SUMS").write_text("".join(lines))


def main():
    """Run the chosen step, or all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = {
        "relax": relax,
        "phonons": phonons,
        "frames": compute_frames,
        "checks": checks,
        "converge": converge,
        "pack": pack,
    }
    parser.add_argument("crystal", choices=CRYSTALS)
    parser.add_argument("step", choices=[*steps, "all"])
    parser.add_argument("--work", type=Path, default=Path("rocksalt-work"), help="work folder")
    parser.add_argument(
        "--psp",
        type=Path,
        default=Path("/usr/share/abinit/psp"),
        help="folder of the pseudopotentials (default: where Debian puts it)",
    )
    args = parser.parse_args()
    method = Method(args.crystal, args.work.resolve() / args.crystal, args.psp)
    for name, step in steps.items():
        if args.step in (name, "all"):
            step(method)


if __name__ == "__main__":
    main()
