"""The tour's last chapter: electron densities of water, and how they carry over to large ones."""

import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from euclidium.cli.chapter import Chapter, Finding, Tour, picture
from euclidium.cli.density_fields import fields_figure
from euclidium.cli.train import watching

if TYPE_CHECKING:
    from euclidium.analyze.densities import DensityErrors
    from euclidium.atoms.density import Density, DensityRecord
    from euclidium.models.density import DensityModel
    from euclidium.plot.page import Picture, Table

SETTINGS: dict[str, Any] = {
    "task": "density",
    "model": {
        "cutoff": 4.0,
        "head": 16,
        "network": {"channels": 16, "layers": 2, "edge_lmax": 3},
    },
    # matrices of Coulomb energies would take as long to prepare as the training takes
    "loss": {"points": 300, "coulomb": 0.0, "dipole": 100.0},
    "optimizer": {"learning_rate": 0.01},
    "schedule": {"warmup": 60},
    "training": {"epochs": 24, "batch_size": 5, "ema": 0.98, "accelerator": "cpu"},
    "logging": {"tensorboard": False},
}
QUICK = {"epochs": 6, "batch_size": 4}
SHARE = 4  # one of so many clusters, in the quick tour
SEEN = 20  # clusters to train on whose errors are shown as well, about
WATER = 3  # atoms of a molecule
LARGEST = 3  # molecules of a cluster to train on
SURFACE = 0.002  # e/bohr³

TEXT = """
Energies and vibrations follow from where the electrons are. The density of the electrons is a
field in space; here it is a sum of Gaussians on the atoms, {oxygen} on each oxygen and {hydrogen}
on each hydrogen, with degrees up to l = {lmax}. Their coefficients turn with the molecule as the
harmonics of each degree do, which is what an equivariant network can predict as it is. It learns
how the density differs from that of isolated atoms side by side, and the number of electrons is
right by construction.

The network saw {n_train} clusters of one to three molecules of water, and below are {n_test} of
four to six, larger than any it has seen. It puts {eps:.2f} % of their electrons in the wrong place,
isolated atoms {atoms:.0f} %. That is against the labels, which are fits of the Gaussians to
densities of first principles (PBE0) and have {floor:.1f} % of the electrons in the wrong place
themselves: no error against the calculation can be below this floor. What an atom's electrons do is
decided by its surroundings, so what was learned from small clusters holds for large ones.
"""


def density(tour: Tour) -> Chapter:
    """Train on densities of small clusters of water, and predict those of larger ones."""
    from euclidium.analyze.densities import evaluate_densities
    from euclidium.plot.page import Fact, Section

    small, large = _clusters(tour.quick)
    model = _trained(small, tour.quick)
    predicted = list(model.predict(record.density.structure for record in large))
    errors = evaluate_densities(predicted, large)
    sizes = _by_size(errors)
    floor, atoms = errors.eps_floor or np.nan, errors.eps_superposition or np.nan
    assert errors.dipole_rel_mae is not None  # of molecules
    dipole = 100 * errors.dipole_rel_mae
    numbers = {"train": len(small), **errors.as_dict(), "by_size": sizes}
    text = TEXT.format(
        oxygen=model.basis.size(8),
        hydrogen=model.basis.size(1),
        lmax=model.basis.lmax,
        n_train=len(small),
        n_test=len(large),
        eps=errors.eps_fit,
        atoms=atoms,
        floor=floor,
    )
    facts = (Fact("electrons in the wrong place", f"{errors.eps_fit:.2f} %", "of larger clusters"),)
    seen = small[:: len(small) // SEEN]
    learned = evaluate_densities(model.predict(one.density.structure for one in seen), seen)
    pictures = [
        _errors(learned, errors, _by_degree_of_atoms(large[::SHARE])),
        _dipoles(predicted, large),
        _fields(_flattest(predicted)),
    ]
    section = Section("Where the electrons are", text, facts, pictures, [_table(sizes)])
    findings = (
        Finding("electrons in the wrong place", errors.eps_fit, "%"),
        Finding("dipole of water clusters, mean error", dipole, "%"),
    )
    return Chapter("density", section, numbers, findings, facts)


def _clusters(quick: bool) -> "tuple[list[DensityRecord], list[DensityRecord]]":
    """Clusters to train on, and larger ones to predict: both ordered by their size."""
    from euclidium.atoms.density_file import embedded_densities

    known = embedded_densities("water", "train")
    most = LARGEST * WATER
    small = [record for record in known if record.density.structure.n_atoms <= most]
    large = [record for record in known if record.density.structure.n_atoms > most]
    # as many of four molecules as there are of five and of six
    rows = [*large[:: len(large) // 8][:8], *embedded_densities("water", "test")]
    return (small[::SHARE], rows[::SHARE]) if quick else (small, rows)


def _trained(records: "Sequence[DensityRecord]", quick: bool) -> "DensityModel":
    """A small network that has learned some clusters."""
    from euclidium.atoms.density_file import write_densities
    from euclidium.models.storage import load
    from euclidium.train.run import train
    from euclidium.train.settings import DensityTrainConfig

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "water.npz")
        write_densities(data, records)
        training = {**SETTINGS["training"], **(QUICK if quick else {})}
        settings = {**SETTINGS, "training": training, "output": f"{folder}/run"}
        settings["data"] = {"train": str(data), "validation": 0.05}
        config = DensityTrainConfig.model_validate(settings)
        with watching(config.training.epochs) as progress:
            result = train(config, progress=progress)
        return load(result.model_path)


def _by_size(errors: "DensityErrors") -> list[dict[str, float]]:
    """Mean errors of the clusters of each size."""
    found = []
    for n_atoms in sorted({row.n_atoms for row in errors.structures}):
        rows = [row for row in errors.structures if row.n_atoms == n_atoms]
        floors = [row.floor for row in rows if row.floor is not None]
        found.append(
            {
                "molecules": n_atoms // WATER,
                "n": len(rows),
                "eps_fit": float(np.mean([row.eps for row in rows])),
                "eps_floor": float(np.mean(floors)) if floors else float("nan"),
                "eps_superposition": float(np.mean([row.eps_superposition for row in rows])),
                "dipole_mae": float(np.mean([row.dipole for row in rows])),
                "dipole_size": float(np.mean([row.dipole_size for row in rows])),
            }
        )
    return found


def _errors(learned: "DensityErrors", errors: "DensityErrors", atoms: np.ndarray) -> "Picture":
    """Errors by the size of the cluster, and by the degree of the functions.

    ``learned`` are those of some of the clusters that the network learned from, ``atoms`` those of
    isolated atoms by degree, %.
    """
    from euclidium.plot.canvas import COLORS, INK, canvas
    from euclidium.plot.density import degree_errors

    left, right = canvas(columns=2, size=(9.6, 3.8))
    rows = (*learned.structures, *errors.structures)
    molecules = np.array([row.n_atoms // WATER for row in rows])
    seen = molecules <= LARGEST
    isolated, floor, own = (
        np.array([getattr(row, name) for row in rows])
        for name in ("eps_superposition", "floor", "eps")
    )
    left.plot(molecules, isolated, "s", color=COLORS[1], ms=5, alpha=0.6, label="isolated atoms")
    left.plot(molecules, floor, "_", color=INK, ms=12, alpha=0.6, label="floor of the labels")
    left.plot(molecules[~seen], own[~seen], "o", color=COLORS[0], ms=5, alpha=0.6, label="network")
    words = "network, clusters it learned from"
    left.plot(molecules[seen], own[seen], "o", mec=COLORS[0], mfc="none", ms=5, label=words)
    left.set(xlabel="molecules in the cluster", xticks=np.unique(molecules))
    left.grid(False, axis="x")
    both = {"isolated atoms": atoms, "network": np.array(errors.eps_by_degree)}
    degree_errors(dict(reversed(both.items())), axes=right)
    for axis in (left, right):
        axis.set(yscale="log", ylabel="ε (% of the electrons)", ylim=(0.02, 80))
        axis.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        axis.legend(loc="upper left", ncols=2, frameon=False, fontsize=8.5)
    return picture(
        left,
        "Share of the electrons in the wrong place, ε = 100 ∫|Δρ|/N. Left: of each cluster. Right: "
        "of the functions of each degree alone, in the clusters of four to six molecules. Errors "
        "of the degrees cancel in part where they overlap, so that their sum is more than ε.",
    )


def _by_degree_of_atoms(records: "Sequence[DensityRecord]") -> np.ndarray:
    """The errors of isolated atoms by degree, %: the mean over some clusters."""
    from euclidium.analyze.fields import epsilon_by_degree
    from euclidium.atoms.density import Density

    labels = [record.density for record in records]
    alone = [Density.superposition(label.structure, label.basis) for label in labels]
    return np.mean([epsilon_by_degree(*pair) for pair in zip(alone, labels, strict=True)], axis=0)


def _flattest(predicted: "Sequence[Density]") -> "Density":
    """Of the largest clusters the one whose atoms are closest to a plane."""
    most = max(one.structure.n_atoms for one in predicted)
    largest = [one for one in predicted if one.structure.n_atoms == most]

    def thickness(one: "Density") -> float:
        away = one.structure.positions - one.structure.positions.mean(axis=0)
        return float(np.linalg.svd(away, compute_uv=False)[2])

    return min(largest, key=thickness)


def _dipoles(predicted: "Sequence[Density]", records: "Sequence[DensityRecord]") -> "Picture":
    """Components of the dipoles, predicted and of the labels."""
    from euclidium.plot.curves import parity

    wanted = np.concatenate([record.density.dipole for record in records])
    found = np.concatenate([one.dipole for one in predicted])
    return picture(
        parity(wanted, found, "dipole", "e·Å", ("me·Å", 1000.0)),
        "Components of the dipole moments, from the predicted densities and from those of first "
        "principles. A dipole is what charges of thousands of Gaussians leave.",
    )


def _fields(density: "Density") -> "Picture":
    """What bonds do to the electrons of a cluster, and the potential around it."""
    from euclidium.analyze.surfaces import surface_of
    from euclidium.plot.page import Picture

    surface = surface_of(density, SURFACE) if find_spec("skimage") else None
    words = (
        f"A cluster of {density.structure.n_atoms // WATER} molecules as predicted, on the plane "
        "nearest to its atoms: where there are more electrons than isolated atoms would have "
        "(blue), in the bonds and the lone pairs, and where fewer (red)."
    )
    if surface is not None:
        words += (
            f" Right: the electrostatic potential where the density is {SURFACE} e/bohr³, about "
            "what another molecule touches: negative (red) at the oxygen atoms, which take "
            "hydrogen bonds, positive (blue) at the hydrogen atoms, which give them."
        )
    return Picture(fields_figure(density, surface), words)


def _table(sizes: Sequence[Mapping[str, float]]) -> "Table":
    """Errors for each size of cluster."""
    from euclidium.plot.page import Table

    rows = [
        (
            row["molecules"],
            row["n"],
            f"{row['eps_fit']:.3f}",
            f"{row['eps_floor']:.2f}",
            f"{row['eps_superposition']:.1f}",
            f"{row['dipole_mae']:.3f}",
            f"{row['dipole_size']:.2f}",
        )
        for row in sizes
    ]
    header = (
        "molecules",
        "clusters",
        "ε, network",
        "ε, labels",
        "ε, isolated atoms",
        "dipole error",
        "dipole",
    )
    caption = (
        "Errors by size, % of the electrons, and of the dipole, e·Å. The network's are against the "
        "labels, those of the labels against the calculation that they were fitted to."
    )
    return Table(header, rows, caption)
