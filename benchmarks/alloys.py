"""What a virtual crystal says about the phonons of an alloy, against cells that hold whole atoms.

The truth is the effective medium potential (EMT): special quasirandom cells are relaxed, and every
atom displaced. Against their mean spectrum stand two approximations that know one atom a site:

virtual   a crystal of one element with the mean parameters of the potential and the mean mass
mixture   the spectra of the two metals, added in the proportion of their atoms

`elsewhere` is the share of modes that lie at other frequencies (0 to 1), after a Gaussian of
5 cm⁻¹; `cells` is the same of one quasirandom cell against the mean of all (small ones of different
seeds may be the same but for symmetry).

With --model NAME (the name of a model that comes with the package, or a file) that model predicts
the alloys with mixed sites, and the quasirandom cells, and both are compared; and the line
Mg3Sb2 – Mg3Bi2, of which --data FOLDER holds the calculated spectrum at three quarters of Bi, from
Chen et al., Adv. Sci. 8, 2004214 (2021), https://doi.org/10.1002/advs.202004214.

    python benchmarks/alloys.py --picture .
    python benchmarks/alloys.py --alloys Cu-Au --atoms 32 --model phonon-dos --data FOLDER
"""

import argparse
import ast
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import BaseCalculator
from ase.calculators.emt import EMT, parameters
from ase.data import chemical_symbols
from ase.spacegroup import crystal
from ase.units import Bohr

import harness
from euclidium.analyze import (
    AlloyCheck,
    averaged,
    check_alloy,
    from_frequencies,
    misplaced,
    sweep,
)
from euclidium.atoms import PhononDOS, Structure, interpolate
from euclidium.models import load
from euclidium.plot import alloy_sweep
from euclidium.simulate import phonons, relax
from euclidium.units import THZ_TO_CM1

WIDTH = 10.0  # Å, of the supercells in which atoms are displaced
MESH = 40.0  # Å, of the points in the Brillouin zone
LINE = np.linspace(0.0, 1.0, 9)  # compositions of the pictures
FREQUENCIES = np.arange(0.0, 400.0, 1.0)  # cm⁻¹
CURVE = 5.0  # cm⁻¹, of the Gaussians in the pictures
ALLOY = "alloy_Mg3Bi1.5Sb0.5_phdos51.csv"
COLUMNS = {
    "alloy": "text",
    "x": "text",
    "sqs_mismatch": "text",
    "cv300": "text",
    "mean_frequency": "text",
    "elsewhere_cells": "text",
    "elsewhere_virtual": "%",
    "elsewhere_mixture": "%",
    "cv300_virtual": "text",
    "cv300_mixture": "text",
    "mean_virtual": "text",
    "mean_mixture": "text",
}
MODEL_COLUMNS = {
    "alloy": "text",
    "x": "text",
    "elsewhere_cells": "text",
    "elsewhere_mixed_sites": "%",
    "cv300": "text",
    "cv300_error": "text",
    "mean_frequency": "text",
    "mean_error": "text",
}


@dataclass(frozen=True)
class Virtual:
    """The prediction of an approximation."""

    dos: PhononDOS


class VirtualEMT(EMT):  # type: ignore[misc]
    """The effective medium potential of one virtual element: all parameters are means."""

    def __init__(self, shares: dict[str, float]) -> None:
        super().__init__()
        self.shares = shares

    def initialize(self, atoms: Atoms) -> None:
        """Parameters as EMT takes them from its table, of the mean row."""
        super().initialize(atoms)
        mean = sum(share * np.array(parameters[e]) for e, share in self.shares.items())
        s0, eta2, kappa = mean[1] * Bohr, mean[3] / Bohr, mean[4] / Bohr
        gamma1, gamma2 = self._calc_gammas(s0, eta2, kappa)
        values = {
            "E0": mean[0],
            "s0": s0,
            "V0": mean[2],
            "eta2": eta2,
            "kappa": kappa,
            "lambda": mean[5] / Bohr,
            "n0": mean[6] / Bohr**3,
            "inv12gamma1": 1 / (12 * gamma1),
            "neghalfv0overgamma2": -0.5 * mean[2] / gamma2,
        }
        for name, value in values.items():
            self.par[name][:] = value


def spectrum(atoms: Atoms, calculator: BaseCalculator) -> PhononDOS:
    """The phonon density of states of relaxed atoms."""
    found = phonons(atoms, calculator, supercell=WIDTH, mesh=MESH)
    frequencies = found.mesh_frequencies * THZ_TO_CM1
    weights = np.broadcast_to(found.mesh_weights[:, None], frequencies.shape)
    relaxed = Atoms(found.numbers, scaled_positions=found.positions, cell=found.cell, pbc=True)
    return from_frequencies(Structure.from_ase(relaxed), frequencies, weights)


def explicit(structure: Structure) -> PhononDOS:
    """The phonon density of states of a cell of whole atoms."""
    return spectrum(structure.to_ase(), EMT())


def virtual(structures: Sequence[Structure]) -> Iterator[Virtual]:
    """Predictions of virtual crystals: mean parameters, mean masses."""
    for structure in structures:
        total = sum(structure.composition.values())
        shares = {e: amount / total for e, amount in structure.composition.items()}
        atoms = Atoms(structure.species, structure.positions, cell=structure.cell, pbc=True)
        atoms.set_masses(structure.masses)
        yield Virtual(spectrum(atoms, VirtualEMT(shares)))


def metal(element: str) -> Structure:
    """The relaxed face-centred crystal of an element."""
    return Structure.from_ase(relax(bulk(element), EMT(), fmax=1e-4).atoms, keys=None)


def measure(
    name: str, fractions: Sequence[float], n_atoms: int, cells: int
) -> tuple[list[AlloyCheck], list[dict[str, object]]]:
    """Checks of one alloy, and the rows of the table."""
    ends = [metal(element) for element in name.split("-")]
    pure = [explicit(end) for end in ends]
    checks, rows = [], []
    for x in fractions:
        check = check_alloy(virtual, explicit, interpolate(*ends, x), n_atoms, cells=cells)
        mixture = averaged(pure, [1 - x, x])
        truth = check.reference
        cv = float(truth.heat_capacity(300.0))
        rows.append(
            {
                "alloy": name,
                "x": f"{x:.3g}",
                "sqs_mismatch": f"{max(cell.mismatch for cell in check.cells):.3f}",
                "cv300": f"{cv:.3f}",
                "mean_frequency": f"{truth.mean_frequency:.1f}",
                "elsewhere_cells": f"{check.spread:.1%}",
                "elsewhere_virtual": check.misplaced,
                "elsewhere_mixture": misplaced(mixture, truth),
                "cv300_virtual": f"{check.heat_capacity_error:+.3f}",
                "cv300_mixture": f"{float(mixture.heat_capacity(300.0)) - cv:+.3f}",
                "mean_virtual": f"{check.mean_frequency_error:+.1f}",
                "mean_mixture": f"{mixture.mean_frequency - truth.mean_frequency:+.1f}",
            }
        )
        checks.append(check)
    return checks, rows


def model_rows(
    model: Any, name: str, ends: Sequence[Structure], options: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """What a model says of mixed sites, against the same model on quasirandom cells, unrelaxed."""

    def of_cell(structure: Structure) -> PhononDOS:
        (result,) = model.predict([structure])
        return result.dos

    size = max(options.atoms // ends[0].n_atoms, 2)
    for x in options.fractions:
        alloy = interpolate(*ends, x)
        check = check_alloy(model.predict, of_cell, alloy, size, cells=options.cells)
        yield {
            "alloy": name,
            "x": f"{x:.3g}",
            "elsewhere_cells": f"{check.spread:.1%}",
            "elsewhere_mixed_sites": check.misplaced,
            "cv300": f"{float(check.reference.heat_capacity(300.0)):.3f}",
            "cv300_error": f"{check.heat_capacity_error:+.3f}",
            "mean_frequency": f"{check.reference.mean_frequency:.1f}",
            "mean_error": f"{check.mean_frequency_error:+.1f}",
        }


def draw(folder: Path, name: str, fractions: Sequence[float], checks: Sequence[AlloyCheck]) -> Path:
    """The virtual crystal along the line of compositions, over the quasirandom cells."""
    ends = [metal(element) for element in name.split("-")]
    line = sweep(virtual, *ends, LINE)
    truths = dict(zip(fractions, (check.reference for check in checks), strict=True))
    first, second = name.split("-")
    top = max(float(dos.edges[-1]) for dos in (*truths.values(), *(r.dos for r in line.results)))
    w = np.arange(0.0, 1.15 * top)
    left, _ = alloy_sweep(
        line.fractions,
        w,
        line.curves(w, CURVE),
        line.heat_capacity(),
        references={x: dos.at(w, CURVE) for x, dos in truths.items()},
        measured={x: float(dos.heat_capacity(300.0)) for x, dos in truths.items()},
        label=f"x in {first}$_{{1-x}}${second}$_x$",
        names=("virtual crystal", "quasirandom cells"),
    )
    return save(left, folder / f"alloys_{first}{second}.png")


def magnesium(
    ends: Sequence[Structure], model: Any, data: Path | None, folder: Path | None
) -> list[str]:
    """The line Mg3Sb2 – Mg3Bi2, and the calculated spectrum at three quarters of Bi."""
    lines, truth = [], None
    if data is not None and (data / ALLOY).exists():
        truth = calculated(data / ALLOY, interpolate(*ends, 0.75))
        lines.append(
            f"Mg3Bi1.5Sb0.5, calculated: C_v(300 K) {float(truth.heat_capacity(300.0)):.3f} "
            f"J/(K mol-atom), mean frequency {truth.mean_frequency:.1f} cm⁻¹"
        )
    if model is None:
        return lines
    line = sweep(model.predict, *ends, LINE)
    w = FREQUENCIES
    if truth is not None:
        (mixed,) = (r.dos for x, r in zip(LINE, line.results, strict=True) if x == 0.75)
        both = averaged([line.results[0].dos, line.results[-1].dos], [0.25, 0.75])
        for name, dos in (("mixed sites", mixed), ("mixture of the ends", both)):
            lines.append(
                f"Mg3Bi1.5Sb0.5, model, {name}: C_v(300 K) {float(dos.heat_capacity(300.0)):.3f}, "
                f"mean frequency {dos.mean_frequency:.1f} cm⁻¹, elsewhere "
                f"{misplaced(dos, truth, 10.0):.0%} of the modes"
            )
    if folder is not None:
        left, _ = alloy_sweep(
            line.fractions,
            w,
            line.curves(w, 10.0),
            line.heat_capacity(),
            sigma=line.uncertainty("cv300"),
            references={} if truth is None else {0.75: np.interp(w, truth.centers, truth.density)},
            measured={} if truth is None else {0.75: float(truth.heat_capacity(300.0))},
            label="x in Mg$_3$Sb$_{2-2x}$Bi$_{2x}$",
            names=("model", "DFT, Chen et al. 2021"),
        )
        lines.append(f"written: {save(left, folder / 'alloys_Mg3SbBi.png')}")
    return lines


def pnictide(element: str, a: float, c: float) -> Structure:
    """Mg3Sb2 or Mg3Bi2 as measured by Zintl and Husemann, Z. Phys. Chem. B 21, 138 (1933)."""
    sites = [(0, 0, 0), (1 / 3, 2 / 3, 0.63), (1 / 3, 2 / 3, 0.235)]
    cell = [a, a, c, 90, 90, 120]
    return Structure.from_ase(crystal(["Mg", "Mg", element], sites, spacegroup=164, cellpar=cell))


def calculated(path: Path, structure: Structure) -> PhononDOS:
    """The spectrum in the table of the tutorial of Chen et al."""
    with path.open(newline="") as file:
        row = next(csv.DictReader(file))
    frequencies, density = (np.array(ast.literal_eval(row[key])) for key in ("phfreq", "phdos"))
    return PhononDOS.from_curve(frequencies, density, structure)


def save(axes: Any, path: Path) -> Path:
    """Write a figure under a temporary name first."""
    part = path.with_name(f".{path.name}")
    axes.figure.savefig(part, dpi=150, facecolor="white", format="png")
    return part.rename(path)


def open_model(name: str) -> Any:
    """A model by its name in the package, or a file."""
    from euclidium.models.shipped import shipped

    return load(name if Path(name).exists() else shipped(name))


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    metals = [e for e in parameters if e in chemical_symbols and e not in "HCNO"]
    parser.add_argument(
        "--alloys", nargs="*", default=["Ni-Cu", "Ag-Au", "Cu-Au"], help=f"of {' '.join(metals)}"
    )
    parser.add_argument("--fractions", nargs="+", type=float, default=[0.25, 0.5, 0.75])
    parser.add_argument("--atoms", type=int, default=16, help="of a quasirandom cell")
    parser.add_argument("--cells", type=int, default=2, help="quasirandom cells that are averaged")
    parser.add_argument("--model", help="a model of phonon spectra: its name or its file")
    parser.add_argument("--data", type=Path, help=f"folder with {ALLOY}")
    parser.add_argument("--picture", type=Path, help="folder for pictures")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    model = None if options.model is None else open_model(options.model)
    if options.picture is not None:
        options.picture.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    said: list[dict[str, object]] = []
    for name in options.alloys:
        checks, found = measure(name, options.fractions, options.atoms, options.cells)
        rows += found
        print(harness.table(found, COLUMNS), flush=True)
        if model is not None:
            said += model_rows(model, name, [metal(e) for e in name.split("-")], options)
        if options.picture is not None:
            print("written:", draw(options.picture, name, options.fractions, checks), flush=True)
    ends = [pnictide("Sb", 4.573, 7.229), pnictide("Bi", 4.675, 7.416)]
    if model is not None:
        said += model_rows(model, "Mg3Sb2-Mg3Bi2", ends, options)
        print(harness.table(said, MODEL_COLUMNS))
    for line in magnesium(ends, model, options.data, options.picture):
        print(line)
    if options.json is not None:
        harness.write_json(options.json, {"emt": rows, "model": said})


if __name__ == "__main__":
    main()
