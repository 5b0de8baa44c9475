"""A fitted density at points: euclidium against PySCF, which evaluates every function.

    python benchmarks/density_grid.py --threads 1

The density of six water molecules (612 functions) on the points of a grid for integration, and on
a uniform one. PySCF screens by blocks of points as its own integration does. Errors are the largest
difference to PySCF without screening. Then the time from the atoms of 360 molecules to their
coefficients, by ``water-density``.
"""

import numpy as np
import torch

from euclidium.analyze.becke import becke_grid
from euclidium.analyze.fields import density_at
from euclidium.analyze.grids import grid_box
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.density_orders import to_pyscf
from euclidium.atoms.structure import Structure
from euclidium.atoms.volumetric import grid_points
from euclidium.models import load, shipped
from euclidium.units import BOHR
from harness import parser, race, report, row, start, timed

COLUMNS = {
    "case": "text",
    "mode": "text",
    "points": "text",
    "euclidium_s": "s",
    "peer_s": "s",
    "ratio": "x",
    "error": "error",
}


def functions(density: Density):
    """The density as PySCF's molecule with one function a shell, and its coefficients."""
    from pyscf import gto

    structure, basis = density.structure, density.basis
    symbols = {1: "H", 8: "O"}
    shells = {symbols[z]: [[l, [a, 1.0]] for l, a in basis.of(z)] for z in basis.elements}
    atoms = [(symbols[int(z)], [0.0, 0.0, float(n)]) for n, z in enumerate(structure.species)]
    molecule = gto.M(atom=atoms, basis=shells, verbose=0)
    molecule.set_geom_(structure.positions / BOHR, unit="Bohr")
    return molecule, to_pyscf(density.coefficients, basis, structure.species.tolist())


def main() -> None:
    arguments = parser(__doc__).parse_args()
    start(arguments)
    from pyscf import lib
    from pyscf.dft.gen_grid import make_mask

    lib.num_threads(torch.get_num_threads())
    density = embedded_densities("water", "test")[-1].density
    molecule, c = functions(density)
    box, origin, shape = grid_box(density.structure, 0.3, 2.0)
    cases = {
        "becke": becke_grid(density.structure, 1).points,
        "uniform": grid_points(shape, box, origin),
    }
    rows = []
    for case, points in cases.items():
        for mode in ("values", "gradient"):
            name = "GTOval_sph" if mode == "values" else "GTOval_sph_deriv1"

            def peer(points=points, name=name):
                found = []
                for part in np.array_split(points / BOHR, -(-len(points) // 10_000)):
                    mask = make_mask(molecule, part)
                    found.append(molecule.eval_gto(name, part, non0tab=mask) @ c)
                return np.concatenate(found, axis=-1) / BOHR**3

            def own(points=points, mode=mode):
                return density_at(density, points, derivative=int(mode == "gradient"))

            runners = {"euclidium": timed(own), "pyscf": timed(peer)}
            timings, failed = race(runners, arguments.repeats)
            exact = molecule.eval_gto("GTOval_sph", points[:5000] / BOHR) @ c / BOHR**3
            error = float(np.abs(density_at(density, points[:5000]) - exact).max())
            rows.append(row(case, mode, timings, failed, points=len(points), error=error))
    report(arguments, rows, COLUMNS)
    structure, model = droplets(), load(shipped("water-density"))
    timing = race({"": timed(lambda: next(model.predict([structure])))}, arguments.repeats)[0][""]
    print(f"coefficients of {structure.n_atoms} atoms by water-density: {timing.minimum:.2f} s")


def droplets() -> Structure:
    """Twelve times the embedded cluster of thirty molecules, on a grid of 14 Å."""
    one = embedded_densities("water", "large")[-1].density.structure
    places = 14.0 * np.array(list(np.ndindex(3, 2, 2)))
    positions = (places[:, None] + one.positions).reshape(-1, 3)
    return Structure(np.tile(one.species, len(places)), positions)


if __name__ == "__main__":
    main()
