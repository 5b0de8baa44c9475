"""Make the silicon data set: energies, forces, stresses and phonons from one DFT method.

Needs ABINIT (written for 9.6.2: the programs ``abinit``, ``mrgddb`` and ``anaddb`` on the PATH),
its Troullier-Martins LDA pseudopotential ``14si.pspnc`` (in Debian's package ``abinit-data``),
ASE and NumPy.  Everything is resumable: each calculation keeps its result in the work folder and is
skipped when it is there already.  On one core the whole takes about one and a half hours.

    python make.py all --work silicon-runs --jobs 2

Steps, in the order in which ``all`` runs them:

``converge``  the lattice constant and the optical phonon for several cutoffs and k-point meshes
``relax``     the lattice constant of the method
``frames``    the rattled and strained cells
``phonons``   density-functional perturbation theory on a 4x4x4 grid of q points
``checks``    forces and stress against finite differences of the energy
``pack``      ``train.extxyz.xz``, ``test.extxyz.xz``, ``phonons.npz`` and ``SHA256SUMS``
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

HERE = Path(__file__).resolve().parent
ECUT = 10.0  # hartree
N_FRAMES = 300
SEED = 20240914
HARTREE_TO_THZ = 6579.683920502
PER_CM_TO_THZ = 0.0299792458
MESH = 40  # q points along each axis for the density of states

# Two-atom primitive cells whose lattice vectors are (0 1/2 1/2), (1/2 0 1/2), (1/2 1/2 0) times a;
# the rows of these matrices are the larger cells in terms of it.
SHAPES = {
    "primitive": np.eye(3, dtype=int),
    "2x1x1": np.diag([2, 1, 1]),
    "2x2x1": np.diag([2, 2, 1]),
    "cubic": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
    "2x2x2": np.diag([2, 2, 2]),
}

# The k points are all k with exp(i k.R) = -1 for the three vectors R in the rows here (given in
# primitive lattice vectors): a body-centred cubic lattice, so that the mesh of 128 points has the
# full cubic symmetry.  All cells above are commensurate with it and therefore see the same points.
KPT_LATTICE = np.array([[6, -2, -2], [-2, 6, -2], [-2, -2, 6]])
KPT_SHIFT = (0.5, 0.5, 0.5)

QPOINTS = [
    (0.0, 0.0, 0.0),
    (0.25, 0.0, 0.0),
    (0.5, 0.0, 0.0),
    (0.25, 0.25, 0.0),
    (0.5, 0.25, 0.0),
    (-0.25, 0.25, 0.0),
    (0.5, 0.5, 0.0),
    (-0.25, 0.5, 0.25),
]
SPECIAL = {
    "Γ": (0.0, 0.0, 0.0),
    "X": (0.5, 0.0, 0.5),
    "U": (0.625, 0.25, 0.625),
    "K": (0.375, 0.375, 0.75),
    "L": (0.5, 0.5, 0.5),
    "W": (0.5, 0.25, 0.75),
}
PATH = [
    ("Γ", "X", 50),
    ("X", "U", 18),
    ("K", "Γ", 53),
    ("Γ", "L", 43),
    ("L", "W", 35),
    ("W", "X", 25),
]


# ---------------------------------------------------------------------------------------- ABINIT


def numbers(array, digits=14):
    """Rows of numbers as text."""
    return "\n".join(" ".join(f"{x:.{digits}f}" for x in row) for row in np.atleast_2d(array))


def structure_input(atoms, lattice=None, shift=KPT_SHIFT):
    """Cell, atoms and the k-point mesh of a cell, as ABINIT input."""
    if lattice is None:
        to_primitive = np.array(atoms.info["supercell"])
        lattice = np.rint(KPT_LATTICE @ np.linalg.inv(to_primitive)).astype(int)
    return f"""\
acell 3*1.0
rprim
{numbers(atoms.cell.array / units.Bohr)}
natom {len(atoms)}
ntypat 1
znucl 14
typat {len(atoms)}*1
xred
{numbers(atoms.get_scaled_positions(wrap=False))}
nband {2 * len(atoms)}
kptrlatt
{numbers(lattice, 0)}
nshiftk 1
shiftk {shift[0]} {shift[1]} {shift[2]}
"""


def method_input(pseudo, ecut=ECUT):
    """Everything that all calculations have in common."""
    return f"""\
pp_dirpath "{pseudo.parent}"
pseudos "{pseudo.name}"
ecut {ecut}
ecutsm 0.5
occopt 1
diemac 12.0
chksymtnons 0
chkprim 0
nstep 60
"""


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


def single_point(folder, atoms, pseudo, extra="", symmetric=None):
    """Energy (eV), forces (eV/Å) and stress (eV/Å^3, xx yy zz yz xz xy, tension positive)."""
    result = folder / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    if symmetric is None:  # without displacements forces vanish and say nothing on convergence
        symmetric = atoms.info.get("displacement", 0.0) == 0.0
    stop = "toldfe 1.0e-12" if symmetric else "toldff 2.0e-6"
    text = run_abinit(
        folder,
        structure_input(atoms) + method_input(pseudo) + SINGLE_POINT + f"{stop}\n{extra}",
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


def crystal(lattice_constant, shape="primitive"):
    """An undistorted cell of one of the shapes."""
    primitive = bulk("Si", "diamond", a=lattice_constant)
    matrix = SHAPES[shape]
    if shape == "cubic":
        atoms = bulk("Si", "diamond", a=lattice_constant, cubic=True)
    else:
        atoms = primitive.repeat(np.diag(matrix))
    assert np.allclose(atoms.cell.array, matrix @ primitive.cell.array)
    atoms.info = {"supercell": matrix.tolist(), "shape": shape}
    return atoms


def plan():
    """(shape, kind) of every frame, in an order in which any first part is a fair sample."""
    block = ["primitive"] * 6 + ["2x1x1"] * 6 + ["2x2x1"] * 2 + ["cubic"] * 4 + ["2x2x2"] * 2
    kinds = ["small", "small", "medium", "large"]
    rng = np.random.default_rng(SEED)
    frames = []
    while len(frames) < N_FRAMES:
        count = {}
        chosen = []
        for shape in block:
            i = count[shape] = count.get(shape, -1) + 1
            if shape == "primitive" and i >= 4:
                chosen.append((shape, "strain"))
            else:
                chosen.append((shape, kinds[(i + len(frames) // len(block)) % 4]))
        frames += [chosen[i] for i in rng.permutation(len(chosen))]
    return frames[:N_FRAMES]


def make_frame(index, lattice_constant):
    """Frame ``index`` of the plan: a strained cell with random displacements of its atoms."""
    shape, kind = plan()[index]
    rng = np.random.default_rng([SEED, index])
    ranges = {
        "strain": ((0.0, 0.0), 0.06, 0.03),
        "small": ((0.01, 0.1), 0.02, 0.01),
        "medium": ((0.1, 0.2), 0.04, 0.02),
        "large": ((0.2, 0.35), 0.06, 0.03),
    }
    (low, high), volumetric, deviatoric = ranges[kind]
    while True:
        atoms = crystal(lattice_constant, shape)
        strain = np.zeros((3, 3))
        if kind != "small" or rng.random() > 0.3:
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
        repeated = atoms.repeat((3, 3, 3) if len(atoms) < 8 else (2, 2, 2))
        distances = repeated.get_all_distances(mic=True)
        if distances[distances > 1e-6].min() > 1.8:
            break
    hydrostatic = np.trace(strain) / 3
    atoms.info |= {
        "frame": index,
        "kind": kind,
        "displacement": amplitude,
        "hydrostatic_strain": hydrostatic,
        "shear_strain": np.abs(strain - hydrostatic * np.eye(3)).max(),
    }
    return atoms


# ---------------------------------------------------------------------------------- steps


def lattice_constant(work):
    """The relaxed lattice constant (Å) that the step ``relax`` has found."""
    return json.loads((work / "relax" / "result.json").read_text())["lattice_constant"]


def relax(work, pseudo):
    """Find the lattice constant of zero stress."""
    a, energy = relaxed_crystal(work / "relax", pseudo)
    data = {"lattice_constant": a, "energy": energy}
    (work / "relax" / "result.json").write_text(json.dumps(data))
    print(f"lattice constant {a:.6f} Å, energy {energy:.6f} eV per cell of two atoms")


def relaxed_crystal(folder, pseudo, ecut=ECUT, lattice=KPT_LATTICE, shift=KPT_SHIFT):
    """Lattice constant (Å) and energy (eV) of the crystal without stress."""
    atoms = crystal(5.397)
    text = run_abinit(
        folder,
        structure_input(atoms, lattice, shift)
        + method_input(pseudo, ecut)
        + "optcell 1\nionmov 2\nntime 20\ndilatmx 1.05\ntolmxf 1.0e-7\ntoldfe 1.0e-12\nnline 8\n",
    )
    volume = np.linalg.det(atoms.cell.array) * np.prod(echoed(text, "acell"))
    return float(np.cbrt(4 * volume)), float(echoed(text, "etotal")[0] * units.Hartree)


def converge(work, pseudo):
    """Print the lattice constant and optical phonon for other cutoffs and k-point meshes."""
    fcc = 4 * np.eye(3, dtype=int)
    simple = np.array([[-4, 4, 4], [4, -4, 4], [4, 4, -4]])
    half, none = (0.5, 0.5, 0.5), (0.0, 0.0, 0.0)
    print("ecut/Ha  k points  a/Å      ω(Γ)/cm-1  energy/(eV/atom)")
    for ecut, lattice, shift in [
        (8.0, KPT_LATTICE, half),
        (ECUT, KPT_LATTICE, half),
        (12.0, KPT_LATTICE, half),
        (16.0, KPT_LATTICE, half),
        (ECUT, fcc, none),
        (ECUT, simple, half),
        (ECUT, 2 * fcc, none),
    ]:
        points = round(abs(np.linalg.det(lattice)))
        folder = work / "converge" / f"{ecut:g}-{points}-{shift[0]:g}"
        a, energy = relaxed_crystal(folder / "relax", pseudo, ecut, lattice, shift)
        ground_state(folder / "ground", a, pseudo, ecut, lattice, shift)
        raw = linear_response(
            folder / "gamma", folder / "ground", QPOINTS[0], a, pseudo, ecut, lattice, shift
        )
        optical = np.sqrt(raw[5] ** 2 - raw[0] * abs(raw[0]))  # acoustic sum rule
        where = "half" if shift == half else "Γ"
        print(f"{ecut:6g}  {points:5d} {where}  {a:.5f}  {optical:8.2f}  {energy / 2:.6f}")


def compute_frames(work, pseudo, jobs):
    """Compute all frames of the plan, several at a time."""
    a = lattice_constant(work)

    def one(index):
        atoms = make_frame(index, a)
        try:
            single_point(work / "frames" / f"{index:04d}", atoms, pseudo)
        except (RuntimeError, subprocess.CalledProcessError, AttributeError) as error:
            print("frame", index, "failed:", error, flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, range(N_FRAMES)))


def ground_state(folder, a, pseudo, ecut=ECUT, lattice=KPT_LATTICE, shift=KPT_SHIFT):
    """Wave functions and density of the undistorted crystal."""
    run_abinit(
        folder,
        structure_input(crystal(a), lattice, shift)
        + method_input(pseudo, ecut)
        + "nline 8\nprtwf 1\nprtden 1\ntolwfr 1.0e-20\n",
    )


def linear_response(folder, ground, q, a, pseudo, ecut=ECUT, lattice=KPT_LATTICE, shift=KPT_SHIFT):
    """Dynamical matrix at one q point; returns its frequencies in 1/cm as ABINIT prints them."""
    gamma = not np.any(q)
    files = {kind: (ground / f"runo_{kind}").resolve() for kind in ("WFK", "DEN")}
    text = structure_input(crystal(a), lattice, shift) + method_input(pseudo, ecut)
    text += f'getwfk_filepath "{files["WFK"]}"\nnqpt 1\nqpt {q[0]} {q[1]} {q[2]}\n'
    if not gamma:
        text += "ndtset 2\niscf1 -2\ntolwfr1 1.0e-18\nprtwf1 1\ngetwfq2 1\n"
        text += f'getden_filepath1 "{files["DEN"]}"\n'
    text += f"kptopt {2 if gamma else 3}\nprtwf 0\nprtden 0\n"
    number = "" if gamma else "2"
    for line in ("rfphon? 1", "rfatpol? 1 2", "rfdir? 1 1 1", "tolvrs? 1.0e-10"):
        text += line.replace("?", number) + "\n"
    done = run_abinit(folder, text)
    table = "".join(done[done.rindex("Phonon frequencies in cm-1") :].splitlines(True)[1:4])
    return [float(x) for x in re.findall(r"-?\d\.\d+E[-+]\d+", table)][:6]


def anaddb(folder, ddb, text):
    """Run anaddb in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("run*"):
        old.unlink()
    (folder / "run.abi").write_text(f'ddb_filepath "{ddb.resolve()}"\n' + text)
    with (folder / "log").open("w") as log:
        subprocess.run(["anaddb", "run.abi"], cwd=folder, stdout=log, stderr=log, check=True)


def q_path():
    """Fractional q points along the path of the band structure, the labels, their positions."""
    points, labels = [], []
    for start, end, count in PATH:
        a, b = np.array(SPECIAL[start]), np.array(SPECIAL[end])
        fresh = not labels or labels[-1][1] != start
        if fresh:
            labels.append((len(points), start))
        t = np.linspace(0, 1, count + 1)[0 if fresh else 1 :, None]
        points += list(a + t * (b - a))
        labels.append((len(points) - 1, end))
    return np.array(points), labels


def phonons(work, pseudo, jobs):
    """Phonons of the undistorted crystal from linear response, written to ``phonons.npz``."""
    a = lattice_constant(work)
    folder = work / "phonons"
    ground_state(folder / "ground", a, pseudo)

    def one(i):
        return linear_response(folder / f"q{i}", folder / "ground", QPOINTS[i], a, pseudo)

    with ThreadPoolExecutor(jobs) as pool:
        raw = np.array(list(pool.map(one, range(len(QPOINTS)))))
    ddb = folder / "merged_DDB"
    ddb.unlink(missing_ok=True)
    parts = [next((folder / f"q{i}").glob("*_DDB")).resolve() for i in range(len(QPOINTS))]
    lines = [str(ddb.resolve()), "silicon", str(len(parts)), *map(str, parts)]
    with (folder / "mrgddb.log").open("w") as log:
        subprocess.run(["mrgddb"], input="\n".join(lines), text=True, stdout=log, check=True)

    path, labels = q_path()
    grid = np.array([(i, j, k) for i in range(4) for j in range(4) for k in range(4)]) / 4
    mesh = (np.arange(MESH) + 0.5) / MESH
    dense = np.array([(x, y, z) for x in mesh[: MESH // 2] for y in mesh for z in mesh])
    on_path = interpolate(folder / "path", ddb, path)
    on_grid = interpolate(folder / "grid", ddb, grid)
    everywhere = interpolate(folder / "dense", ddb, dense)

    edges = np.linspace(0.0, 17.0, 851)
    width = 0.1
    dos = np.zeros(len(edges))
    for part in np.array_split(everywhere.ravel(), 100):
        dos += np.exp(-0.5 * ((edges[:, None] - part) / width) ** 2).sum(axis=1)
    dos /= len(everywhere) * width * np.sqrt(2 * np.pi)
    temperature = np.arange(0.0, 1001.0, 10.0)
    free_energy, entropy, heat_capacity = thermodynamics(everywhere, temperature)

    atoms = crystal(a)
    np.savez_compressed(
        HERE / "phonons.npz",
        lattice_constant=a,
        cell=atoms.cell.array,
        positions=atoms.positions,
        scaled_positions=atoms.get_scaled_positions(),
        numbers=atoms.numbers,
        masses=atoms.get_masses(),
        path_q=path,
        path_distance=path_distance(path, labels, atoms),
        path_frequencies=on_path,
        label_index=np.array([i for i, _ in labels]),
        label=np.array([name for _, name in labels]),
        grid_q=grid,
        grid_frequencies=on_grid,
        direct_q=np.array(QPOINTS),
        direct_frequencies=raw * PER_CM_TO_THZ,
        dos_frequency=edges,
        dos=dos,
        temperature=temperature,
        free_energy=free_energy,
        entropy=entropy,
        heat_capacity=heat_capacity,
    )
    print("optical frequency at Γ", on_path[0, 5], "THz; from frequencies without sum rule:")
    print(raw[0] * PER_CM_TO_THZ)
    print("states", np.trapezoid(dos, edges), "heat capacity at 300 K", heat_capacity[30])


def interpolate(folder, ddb, points):
    """Frequencies (THz) at fractional q points from the force constants of the 4x4x4 grid."""
    listed = "\n".join(" ".join(f"{x:.12f}" for x in q) + " 1.0" for q in points)
    anaddb(
        folder,
        ddb,
        "ifcflag 1\nbrav 1\nngqpt 4 4 4\nnqshft 1\nq1shft 0 0 0\nasr 1\nchneut 0\ndipdip 0\n"
        f"nph1l {len(points)}\nqph1l\n{listed}\n",
    )
    return np.loadtxt(next(folder.glob("*_PHFRQ")))[:, 1:] * HARTREE_TO_THZ


def path_distance(path, labels, atoms):
    """Distances along the path in 1/Å (with 2π); jumps between segments have no length."""
    steps = np.linalg.norm(np.diff(path, axis=0) @ atoms.cell.reciprocal() * 2 * np.pi, axis=1)
    starts = [i for i, _ in labels]
    for i in starts[1:]:
        if i - 1 in starts:  # such as U|K
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


def checks(work, pseudo):
    """Compare forces, stress and the optical phonon with finite differences; print the numbers."""
    a = lattice_constant(work)
    folder = work / "checks"
    index = next(i for i, frame in enumerate(plan()) if frame == ("cubic", "large"))
    atoms = make_frame(index, a)
    exact = single_point(folder / "centre", atoms, pseudo)
    print("frame", index, "largest force", np.abs(exact["forces"]).max(), "eV/Å")
    for atom, axis in ((0, 0), (3, 1), (6, 2)):
        energies = []
        for step in (-0.01, 0.01):
            moved = atoms.copy()
            moved.info = atoms.info
            moved.positions[atom, axis] += step
            name = f"force-{atom}{axis}{step:+g}"
            energies.append(single_point(folder / name, moved, pseudo)["energy"])
        slope = -(energies[1] - energies[0]) / 0.02
        print("force", atom, axis, exact["forces"][atom][axis], "difference", slope, "eV/Å")
    for number, (i, j) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        if number not in (0, 2, 5):
            continue
        energies = []
        for step in (-0.002, 0.002):
            strain = np.eye(3)
            strain[i, j] += step / 2
            strain[j, i] += step / 2
            moved = atoms.copy()
            moved.info = atoms.info
            moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            name = f"stress-{number}{step:+g}"
            energies.append(single_point(folder / name, moved, pseudo)["energy"])
        slope = (energies[1] - energies[0]) / 0.004 / atoms.get_volume()
        print("stress", number, exact["stress"][number], "difference", slope, "eV/Å^3")

    d = 0.005
    forces = []
    for step in (-d, d):
        atoms = crystal(a)
        atoms.positions += [[step / 2, 0, 0], [-step / 2, 0, 0]]
        name = f"frozen{step:+g}"
        forces.append(single_point(folder / name, atoms, pseudo, symmetric=False)["forces"][0][0])
    stiffness = -(forces[1] - forces[0]) / (2 * d) * units._e * 1e20
    reduced_mass = atoms.get_masses()[0] / 2 * units._amu
    print("optical phonon at Γ, frozen", np.sqrt(stiffness / reduced_mass) / (2e12 * np.pi), "THz")

    # the same crystal in every shape of cell has the same energy
    for shape, matrix in SHAPES.items():
        cell = single_point(folder / f"cell-{shape}", crystal(a, shape), pseudo)
        count = 2 * round(abs(np.linalg.det(matrix)))
        print(f"energy of {shape:9s} {cell['energy'] / count:.8f} eV per atom")

    # triplet with a spherical p shell
    isolated = Atoms("Si", cell=[11.0, 11.5, 12.0])
    isolated.info = {"displacement": 0.0}
    text = structure_input(isolated, np.eye(3, dtype=int), (0.0, 0.0, 0.0))
    text = text.replace("nband 2", "nband 4 4") + method_input(pseudo).replace(
        "occopt 1", "occopt 2"
    )
    text += "nsppol 2\nnsym 1\nocc 1 3*0.666666666667 1 3*0\ntoldfe 1.0e-8\nspinat 0 0 2\nnline 8\n"
    text = run_abinit(folder / "atom", text.replace("diemac 12.0", "diemac 1.5"))
    print("isolated atom", echoed(text, "etotal")[0] * units.Hartree, "eV")


def pack(work):
    """Write the files of the data set."""
    a = lattice_constant(work)
    splits = {"train": [], "test": []}
    for index in range(N_FRAMES):
        result = work / "frames" / f"{index:04d}" / "result.json"
        if not result.exists():
            continue
        data = json.loads(result.read_text())
        atoms = make_frame(index, a)
        del atoms.info["supercell"]
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=data["energy"],
            forces=np.array(data["forces"]),
            stress=np.array(data["stress"]),
        )
        splits["test" if index % 20 in (3, 10, 16) else "train"].append(atoms)
    for name, frames in splits.items():
        ase.io.write(HERE / f"{name}.extxyz.xz", frames, format="extxyz")
        print(name, len(frames), "frames")
    lines = []
    for name in ("train.extxyz.xz", "test.extxyz.xz", "phonons.npz"):
        lines.append(f"{hashlib.sha256((HERE / name).read_bytes()).hexdigest()}  {name}\n")
    (HERE / "SHA256SUMS").write_text("".join(lines))


def main():
    """Run the chosen step, or all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = {
        "converge": lambda args: converge(args.work, args.pseudo),
        "relax": lambda args: relax(args.work, args.pseudo),
        "frames": lambda args: compute_frames(args.work, args.pseudo, args.jobs),
        "phonons": lambda args: phonons(args.work, args.pseudo, args.jobs),
        "checks": lambda args: checks(args.work, args.pseudo),
        "pack": lambda args: pack(args.work),
    }
    parser.add_argument("step", choices=[*steps, "all"])
    parser.add_argument("--work", type=Path, default=Path("silicon-work"), help="work folder")
    parser.add_argument(
        "--pseudo",
        type=Path,
        default=Path("/usr/share/abinit/psp/14si.pspnc"),
        help="pseudopotential file (default: where Debian puts it)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="calculations at the same time")
    args = parser.parse_args()
    args.work = args.work.resolve()
    for name, step in steps.items():
        if args.step in (name, "all"):
            step(args)


if __name__ == "__main__":
    main()
