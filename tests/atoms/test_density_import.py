"""Densities of other programs keep their electrons and their dipole."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.density_import import import_densities
from euclidium.atoms.density_orders import standard_harmonics, to_pyscf
from euclidium.atoms.problem import DataError
from euclidium.units import BOHR, HARTREE

SHARED = Path(__file__).parents[3] / "shared" / "data" / "densities"
SLOTS = [(12, 0), (5, 1), (4, 2), (2, 3), (1, 4)]
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")


@pytest.fixture(scope="module")
def dimer() -> DensityRecord:
    """A cluster of the package."""
    return next(r for r in embedded_densities("water", "test") if r.name.startswith("w5"))


def standard(density: Density) -> list[list[np.ndarray]]:
    """Of each atom the coefficients of each shell, m = -l ... l about z."""
    atoms = []
    for z, own in zip(density.structure.species, density.by_atom(), strict=True):
        start, shells = 0, []
        for l, exponents in density.basis.exponents(int(z)).items():
            n = len(exponents)
            block = own[start : start + n * (2 * l + 1)].reshape(2 * l + 1, n)
            shells += list((standard_harmonics(l) @ block).T)
            start += block.size
        atoms.append(shells)
    return atoms


def padded(record: DensityRecord) -> dict[str, object]:
    """An entry of Rackers' pickles; the eighth s function of oxygen has a negative norm."""
    density = record.density
    species, basis = density.structure.species, density.basis
    arrays = {name: np.zeros((len(species), 70)) for name in ("coefficients", "exponents", "norms")}
    for atom, shells in enumerate(standard(density)):
        found = iter(zip(basis.of(int(species[atom])), shells, strict=True))
        counts = {l: len(a) for l, a in basis.exponents(int(species[atom])).items()}
        start = 0
        for slots, l in SLOTS:
            for k in range(slots):
                where = slice(start, start + 2 * l + 1)
                start += 2 * l + 1
                if k < counts.get(l, 0):
                    (_, exponent), own = next(found)
                    sign = -1 if (species[atom], l, k) == (8, 0, 7) else 1
                    arrays["coefficients"][atom, where] = sign * own
                    arrays["exponents"][atom, where] = exponent
                    arrays["norms"][atom, where] = sign * 2.5
    return {
        "type": torch.tensor(species, dtype=torch.float32),
        "pos": torch.tensor(density.structure.positions),
        **{name: torch.tensor(value) for name, value in arrays.items()},
        "rs_max": SLOTS,
        "energy": torch.tensor(record.energy / HARTREE, dtype=torch.float64),
        "forces": torch.tensor(-record.forces / HARTREE * BOHR),
    }


def gaussian(record: DensityRecord) -> str:
    """The basis as a .gbs file."""
    lines = ["****"]
    for symbol, z in (("H", 1), ("O", 8)):
        lines.append(f"{symbol} 0")
        for l, exponent in record.density.basis.of(z):
            lines += [f"{'SPDFG'[l]} 1 1.00", f"  {exponent!r} 1.0"]
        lines.append("****")
    return "\n".join(lines)


def test_a_pickle(tmp_path: Path, dimer: DensityRecord):
    (tmp_path / "w5_small_test.pkl").write_bytes(pickle.dumps([padded(dimer)]))
    (tmp_path / "jfit.gbs").write_text(gaussian(dimer))
    (tmp_path / "other.gbs").write_text("H 0\nS 1 1.00\n 3.0 1.0\n****\n")
    for symbol, z in (("h", 1), ("o", 8)):
        own = zip(dimer.density.basis.atoms[z], dimer.density.basis.exponents(z)[0], strict=True)
        rows = [f"0 {-c!r} {a!r} -1.0" for c, a in map(np.ndarray.tolist, map(np.array, own))]
        (tmp_path / f"{symbol}_s_only_small_density.out").write_text("\n".join(rows))
        (tmp_path / f"{symbol}_s_only_jfit_density.out").write_text("0 9.0 1.0 1.0")
    [found] = import_densities(tmp_path / "w5_small_test.pkl")
    np.testing.assert_allclose(found.density.coefficients, dimer.density.coefficients, atol=1e-13)
    assert found.density.basis.name == "jfit"
    assert found.density.basis.shells == dimer.density.basis.shells
    np.testing.assert_allclose(
        Density.superposition(found.density.structure, found.density.basis).coefficients,
        dimer.density.basis.superposition(dimer.density.structure.species.tolist()),
    )
    np.testing.assert_allclose(found.forces, dimer.forces, rtol=1e-12)
    assert found.energy == pytest.approx(dimer.energy, rel=1e-14)


def test_a_folder(tmp_path: Path, dimer: DensityRecord):
    structure = dimer.density.structure
    rows = [f"{'H' if z == 1 else 'O'} {x:.12f} {y:.12f} {w:.12f}" for z, (x, y, w) in
            zip(structure.species, structure.positions, strict=True)]  # fmt: skip
    (tmp_path / "one.xyz").write_text("\n".join([str(len(rows)), "", *rows, ""]))
    (tmp_path / "jfit.gbs").write_text(gaussian(dimer))
    (tmp_path / "ALL_C").mkdir()
    ordered = to_pyscf(dimer.density.coefficients, dimer.density.basis, structure.species)
    np.savetxt(tmp_path / "ALL_C" / "mol_0.dat", ordered)
    [found] = import_densities(tmp_path)
    np.testing.assert_allclose(found.density.coefficients, dimer.density.coefficients, atol=1e-13)
    (tmp_path / "charges.dat").write_text("1\n")
    with pytest.raises(DataError, match=r"has 50.0000 electrons, expected 49"):
        import_densities(tmp_path)


def test_an_archive(tmp_path: Path, dimer: DensityRecord):
    density = dimer.density
    shells = {str(z): [[l, [a], [1.0]] for l, a in density.basis.of(z)] for z in (1, 8)}
    np.savez(
        tmp_path / "a.npz",
        meta=np.array(json.dumps({"aux": "jfit", "xc": "pbe0", "basis_aux": shells})),
        atom_ptr=np.array([0, density.structure.n_atoms]),
        coef_ptr=np.array([0, len(density.coefficients)]),
        Z=density.structure.species,
        pos=density.structure.positions,
        coef=np.concatenate([own for atom in standard(density) for own in atom]),
        dipole=dimer.dipole[None] / BOHR,
    )
    [found] = import_densities(tmp_path / "a.npz")
    np.testing.assert_allclose(found.density.coefficients, density.coefficients, atol=1e-13)
    np.testing.assert_allclose(found.dipole, dimer.dipole)


def test_other_files_get_a_sentence(tmp_path: Path):
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"a.txt is of no kind that is known: expected a pickle"):
        import_densities(tmp_path / "a.txt")
    with pytest.raises(DataError, match="holds 0 of an .xyz file, expected one"):
        import_densities(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([{"pos": 1}]))
    with pytest.raises(DataError, match="a.pkl lacks type, coefficients"):
        import_densities(tmp_path / "a.pkl")
    np.savez(tmp_path / "a.npz", a=np.zeros(2))
    with pytest.raises(DataError, match="a.npz lacks meta"):
        import_densities(tmp_path / "a.npz")


@needs_shared
def test_trimers_have_thirty_electrons_and_tetramers_forty():
    for name, electrons in (("w3_dzhf_def2_test_energyforce", 30), ("testdata_w4", 40)):
        records = import_densities(SHARED / "rackers" / f"{name}.pkl")
        for record in records:
            assert record.density.electrons == pytest.approx(electrons, abs=2e-6)
        basis = records[0].density.basis
        atoms = Density.superposition(records[0].density.structure, basis)
        assert atoms.electrons == pytest.approx(electrons, abs=1e-5)


@needs_shared
def test_dipoles_of_the_sample_are_those_of_the_calculation():
    for record in import_densities(SHARED / "sample.npz"):
        assert record.density.electrons == pytest.approx(record.density.structure.species.sum())
        assert np.abs(record.density.dipole - record.dipole).max() < 0.005


@needs_shared
def test_side_chains_have_their_charges():
    records = import_densities(SHARED / "lcmd_sidechains")
    assert sorted({record.charge for record in records}) == [-1, 0, 1]
    for record in records:
        assert record.density.charge == pytest.approx(record.charge, abs=0.003)
