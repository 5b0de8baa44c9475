"""Make the phonon data set: densities of states of crystals, from two methods.

``dfpt``   semiconductors, ionic crystals and metals, by density-functional perturbation theory
           with ABINIT (written for 9.6.2, on the PATH; pseudopotentials of Debian's package
           ``abinit-data``): one to six minutes a crystal on one core
``emt``    seven metals and their ordered alloys with a toy potential, by displacements: seconds
``pack``   ``structures.jsonl.xz``, ``dos.npz`` and ``SHA256SUMS`` from what is there
``list``   what is there, against measured frequencies

    python make.py dfpt --work phonon-runs
    python make.py emt --work phonon-runs
    python make.py pack --work phonon-runs

Everything is resumable: what a crystal has cost is in the work folder, and is not computed again.
A crystal that fails is reported, and left out. Crystals that the data set has, and the work folder
has not, stay as they are.
"""

import argparse
import dataclasses
import hashlib
import itertools
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.embedded import embedded_phonons
from euclidium.atoms.phonon_folder import is_phonon_folder
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra import write_phonons
from euclidium.atoms.structure import Structure
from euclidium.simulate.abinit import DATA
from euclidium.simulate.collection import Displacement, Job, Response, collect
from euclidium.simulate.dfpt import primitive
from euclidium.units import HARTREE, THZ_TO_CM1

HERE = Path(__file__).resolve().parent
LARGE = DATA / "Pseudodojo_nc_sr_04_pw_largecore_psp8"
HGH = DATA / "PseudosHGH_pwteter"
# With fewer electrons than the defaults, for elements where this does no harm to the phonons.
CORES = {
    "As": LARGE / "As.psp8",
    "Be": HGH / "4be.2.hgh",
    "F": DATA / "PseudosTM_pwteter" / "9f.pspnc",
    "Ga": LARGE / "Ga-low.psp8",
    "Mg": LARGE / "Mg.psp8",
}

# name: prototype, guess of the lattice constant (Å), cutoff (Ha), length of the k mesh (Å), and of
# metals the smearing (Ha)
CRYSTALS: dict[str, dict] = {}


def add(prototype: str, cutoff: float, kpoints: float, lattice: dict[str, float], **more) -> None:
    """Add crystals of one prototype."""
    for name, a in lattice.items():
        CRYSTALS[name] = dict(prototype=prototype, a=a, cutoff=cutoff, kpoints=kpoints, **more)


add("diamond", 40, 12, {"C": 3.53})
add("zincblende", 20, 18, {"AlP": 5.43})
add("rocksalt", 40, 12, {"LiH": 3.90})
add("rocksalt", 40, 8.2, {"MgO": 4.17})
add("rocksalt", 30, 9.5, {"LiCl": 4.97})
add("fcc", 20, 22, {"Al": 3.98}, smearing=0.02)
add("rocksalt", 45, 7.7, {"LiF": 3.93})
add("zincblende", 38, 12, {"BN": 3.58})
add("diamond", 20, 18, {"Ge": 5.58})
add("rocksalt", 30, 9.5, {"LiBr": 5.33})
add("zincblende", 38, 12, {"SiC": 4.33})
add("antifluorite", 30, 9.5, {"Li2S": 5.60})
add("zincblende", 30, 12, {"BeS": 4.81})
add("zincblende", 20, 18, {"GaAs": 5.60})
add("zincblende", 40, 12, {"AlN": 4.34})
add("antifluorite", 20, 13, {"Mg2Si": 6.27})
add("rocksalt", 34, 9.5, {"KCl": 6.10})
add("zincblende", 36, 12, {"BP": 4.50})
add("zincblende", 20, 18, {"AlAs": 5.63})
add("half-heusler", 25, 12, {"LiAlSi": 5.87})
add("half-heusler", 30, 9.5, {"LiMgP": 5.95})
add("zincblende", 20, 18, {"GaP": 5.40})

# Optical frequencies at Γ that were measured (cm⁻¹): transverse, longitudinal.
MEASURED = {
    "C": (1332, 1332),
    "Si": (519, 519),
    "Ge": (301, 301),
    "SiC": (796, 972),
    "BN": (1055, 1305),
    "BP": (799, 829),
    "AlN": (655, 902),
    "AlP": (440, 501),
    "AlAs": (361, 404),
    "AlSb": (319, 340),
    "GaN": (555, 740),
    "GaP": (367, 403),
    "GaAs": (268, 292),
    "InP": (304, 345),
    "MgO": (401, 718),
    "LiF": (306, 662),
    "LiCl": (203, 398),
    "LiBr": (173, 353),
    "KCl": (142, 214),
    "BeTe": (461, 502),
    "Mg2Si": (267, 345),
}


def built(name: str, prototype: str, a: float) -> Atoms:
    """The primitive cell of a crystal of a prototype with a guess of its lattice constant."""
    symbols = Atoms(name).get_chemical_symbols()
    if prototype in ("fcc", "diamond", "zincblende", "rocksalt"):
        return bulk(name, prototype, a=a)
    once = [s for s in dict.fromkeys(symbols) if symbols.count(s) == 1]
    twice = [s for s in dict.fromkeys(symbols) if symbols.count(s) == 2]
    if prototype == "antifluorite":
        basis = [(*once, (0, 0, 0)), (*twice, (0.25, 0.25, 0.25))]
        group = 225
    else:  # half-Heusler: the last element, the anion, has tetrahedra of either of the others
        places = [(0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (0.25, 0.25, 0.25)]
        basis = list(zip(once, places, strict=True))
        group = 216
    elements, positions = zip(*basis, strict=True)
    cell = [a, a, a, 90, 90, 90]
    return crystal(elements, positions, spacegroup=group, cellpar=cell, primitive_cell=True)


def split_of(atoms: Atoms) -> str:
    """The part of a composition: about 70 % train, 12 % val, 18 % test, drawn by its name."""
    formula = atoms.symbols.formula.reduce()[0].format("hill")
    drawn = int(hashlib.sha256(formula.encode()).hexdigest()[:8], 16) % 100
    return "train" if drawn < 70 else "val" if drawn < 82 else "test"


def dfpt_jobs() -> list[Job]:
    """The crystals of linear response."""
    jobs = []
    for name, given in CRYSTALS.items():
        atoms = built(name, given["prototype"], given["a"])
        method = Response(
            cutoff=given["cutoff"] * HARTREE,
            kpoints=given["kpoints"],
            smearing=given.get("smearing", 0.0) * HARTREE,
            pseudopotentials={s: str(CORES[s]) for s in sorted(set(atoms.symbols) & set(CORES))},
        )
        info = {"prototype": given["prototype"]}
        jobs.append(Job(f"dfpt-{name}", atoms, method, split_of(atoms), info))
    return jobs


METALS = ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")


def alloys() -> dict[str, Atoms]:
    """The metals, and their ordered alloys on the face-centred lattice, with the mean volume."""
    found = {metal: bulk(metal) for metal in METALS}
    for one, two in itertools.permutations(METALS, 2):
        a = {n: _lattice_constant({one: n, two: 4 - n}) for n in (2, 3)}
        cell = a[3] * np.eye(3)
        cubic = [(0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0), (0, 0, 0)]
        found[f"{one}3{two}-L12"] = Atoms([one] * 3 + [two], scaled_positions=cubic, cell=cell)
        body = a[3] * np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 1]])
        places = a[3] * np.array([[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 0]])
        found[f"{one}3{two}-D022"] = Atoms([one] * 3 + [two], places, cell=body)
        if one > two:
            continue
        half = a[2] / 2
        layers = half * np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2]])
        pair = [one, two]
        at = half * np.array([[0, 0, 0], [1, 0, 1]])
        found[f"{one}{two}-L10"] = Atoms(pair, at, cell=layers)
        planes = half * np.array([[2, 1, 1], [1, 2, 1], [1, 1, 2]])
        at = half * np.array([[0, 0, 0], [2, 2, 2]])
        found[f"{one}{two}-L11"] = Atoms(pair, at, cell=planes)
    for atoms in found.values():
        atoms.pbc = True
    return {name: primitive(atoms) for name, atoms in found.items()}


def _lattice_constant(counts: dict[str, int]) -> float:
    """Of the cubic cell of four atoms, from the volumes of the metals."""
    volume = sum(n * bulk(metal).get_volume() for metal, n in counts.items())
    return volume ** (1 / 3)


def emt_jobs() -> list[Job]:
    """The crystals of the toy potential."""
    jobs = []
    for name, atoms in alloys().items():
        info = {"prototype": name.partition("-")[2] or "fcc"}
        jobs.append(Job(f"emt-{name}", atoms, Displacement("emt"), split_of(atoms), info))
    return jobs


def compute(jobs: list[Job], work: Path) -> None:
    """Compute the crystals that are not there."""
    started = time.time()

    def tell(name: str, sentence: str | None) -> None:
        print(f"{time.time() - started:6.0f} s  {name}: {sentence or 'there'}", flush=True)

    collect(jobs, work, observe=tell)


def silicon() -> PhononRecord:
    """Silicon, from the data set of that name: linear response on 4x4x4 wave vectors."""
    with np.load(HERE.parent / "silicon" / "phonons.npz") as archive:
        arrays = dict(archive)
    atoms = Atoms("Si2", arrays["positions"], cell=arrays["cell"], pbc=True)
    frequencies = arrays["grid_frequencies"] * THZ_TO_CM1
    structure = Structure.from_ase(atoms)
    dos = PhononDOS.from_curve(arrays["dos_frequency"] * THZ_TO_CM1, arrays["dos"], structure)
    info = {
        "method": "dfpt",
        "spg": 227,
        "wmin": float(frequencies.min()),
        "wmax": float(frequencies.max()),
        "gamma": frequencies[0],
        "gamma_along_x": frequencies[0].round(2),
        "dim": [4, 4, 4],
        "nac": False,
        "cutoff_eV": 272.11,
        "kpoints_A": 18,
        "pseudopotentials": {"Si": "14si.pspnc"},
        "prototype": "diamond",
    }
    return PhononRecord.of("dfpt-Si", structure, dos, {"Si": dos.modes}, split_of(atoms), info)


def records(work: Path) -> list[PhononRecord]:
    """What is there: silicon, and the others in the order of the tables above."""
    jobs = [*dfpt_jobs(), *emt_jobs()]
    new = [job for job in jobs if is_phonon_folder(job.folder(work))]
    there = {record.name: record for record in [*embedded_phonons(), *collect(new, work).records]}
    return [silicon(), *(there[job.name] for job in jobs if job.name in there)]


def rounded(record: PhononRecord) -> PhononRecord:
    """With as many digits as mean something: lengths in Å, frequencies in cm⁻¹."""
    structure = record.structure
    scaled = (structure.positions @ np.linalg.inv(structure.cell)).round(8) % 1 + 0.0
    cell = structure.cell.round(8) + 0.0
    return dataclasses.replace(
        record,
        structure=dataclasses.replace(structure, cell=cell, positions=scaled @ cell),
        mean_frequency=round(record.mean_frequency, 3),
        imaginary=round(record.imaginary, 5),
        info={
            key: np.round(value, 2) + 0.0 if key in ("wmin", "wmax", "gamma") else value
            for key, value in record.info.items()
        },
    )


def pack(work: Path) -> None:
    """Write the files of the data set."""
    write_phonons(HERE, [rounded(record) for record in records(work)])
    lines = []
    for name in ("structures.jsonl.xz", "dos.npz"):
        lines.append(f"{hashlib.sha256((HERE / name).read_bytes()).hexdigest()}  {name}\n")
    (HERE / "SHA256SUMS").write_text("".join(lines))


def overview(work: Path) -> None:
    """One line for each crystal: lattice constant, Γ, heat capacity, and what was measured."""
    for record in records(work):
        info, structure = record.info, record.structure
        words = [
            f"{record.name:18s} {record.split:5s} {info['spg']:3d}",
            f"V {structure.volume / structure.n_atoms:6.2f} Cv {record.heat_capacity:5.2f}",
            f"w {info['wmin']:7.1f} {info['wmax']:7.1f} imaginary {record.imaginary:.3f}",
        ]
        if info["method"] == "dfpt":
            words.append(f"a {(4 * structure.volume) ** (1 / 3):.3f}")
            if structure.n_atoms > 1:
                words.append(f"TO {info['gamma'][3]:.1f} LO {info['gamma_along_x'][-1]:.1f}")
            words.append(str(MEASURED.get(record.name.removeprefix("dfpt-"), "")))
        if info["nac"]:
            words.append(f"eps {info['eps'][0][0]:.2f} Z {abs(info['born'][0][0][0]):.3f}")
        print(" ".join(words))


def main() -> None:
    """Run the chosen step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["dfpt", "emt", "pack", "list"])
    parser.add_argument("--work", type=Path, default=Path("phonon-runs"), help="work folder")
    args = parser.parse_args()
    work = args.work.resolve()
    if args.step == "pack":
        pack(work)
    elif args.step == "list":
        overview(work)
    else:
        compute(dfpt_jobs() if args.step == "dfpt" else emt_jobs(), work)


if __name__ == "__main__":
    main()
