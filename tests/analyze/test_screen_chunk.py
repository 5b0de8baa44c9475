"""A piece of a screening accounts for every entry, and its file gives back what was put in."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.expression import Expression
from euclidium.analyze.screen_chunk import BATCH_ATOMS, COLUMNS, Chunk, CrystalFilter, screen_chunk
from euclidium.atoms import DataError, PhononDOS, Structure
from euclidium.atoms.database import Entry


@dataclass(frozen=True)
class Answer:
    """What a model says that is an ensemble."""

    dos: PhononDOS
    last_peak: float
    unstable: float
    uncertainty: dict[str, float]
    structure: Structure
    members: np.ndarray


def entries(structures: list[Structure]) -> list[Entry]:
    """The entries of a database that is already read."""
    return [Entry(str(s.info["name"]), lambda s=s: s) for s in structures]


def failing(sentence: str) -> Entry:
    """An entry that cannot be read."""

    def read() -> Structure:
        raise DataError(sentence)

    return Entry("broken", read)


def test_every_entry_is_accounted_for(solid, crystals):
    solid.refused = (22, 11)
    titanium = Structure.from_ase(bulk("Ti"), info={"name": "Ti"})
    all_entries = [*entries(crystals), failing("line 7 is not JSON"), *entries([titanium])]
    chunk = screen_chunk(solid, all_entries, 100, CrystalFilter(without=("Li",)))
    assert chunk.n_entries == 12
    assert [c.name for c in chunk.found] == ["Si", "C", "Pb", "MgO", "Al", "ZnS", "PbS"]
    assert [c.number for c in chunk.found] == [100, 101, 102, 105, 106, 108, 109]
    assert [(d.name, d.number, d.same_as) for d in chunk.duplicates] == [("Si again", 104, 100)]
    assert chunk.filtered == {"without": 1}
    reasons = {r.number: r.reason for r in chunk.refused}
    assert reasons.keys() == {103, 110, 111}
    assert reasons[110] == "line 7 is not JSON"
    assert reasons[103].endswith("Na is unknown")
    assert reasons[111].endswith("Ti is unknown")
    together = len(chunk.found) + len(chunk.duplicates) + len(chunk.refused) + 1
    assert together == chunk.n_entries


def test_numbers_are_those_of_the_model(solid, crystals):
    chunk = screen_chunk(solid, entries(crystals))
    by_name = {s.info["name"]: s for s in crystals}
    for row, crystal in enumerate(chunk.found):
        expected = solid.spectrum(by_name[crystal.name])
        np.testing.assert_allclose(chunk.modes[row], expected.dos.modes, atol=1e-12)
        values = dict(zip(COLUMNS, chunk.columns[row], strict=True))
        cv = values["cv_300K_J_per_K_mol"]
        assert cv == pytest.approx(float(expected.dos.heat_capacity(300.0)))
        known = chunk.properties(row)
        assert known.deviations == pytest.approx(expected.uncertainty)
        for name, text in COLUMNS.items():
            assert Expression(text).value(known) == pytest.approx(values[name], rel=1e-6), name


def test_cells_do_not_matter(solid, crystals):
    """The cubic cell of aluminium is reduced, and its properties per formula are those of one."""
    aluminium = [s for s in crystals if s.info["name"] == "Al"]
    (crystal,) = screen_chunk(solid, entries(aluminium)).found
    assert (aluminium[0].n_atoms, crystal.n_atoms, crystal.formula) == (4, 1, "Al")
    assert (crystal.symbol, crystal.space_group) == ("Fm-3m", 225)


def test_duplicates_may_stay(solid, crystals):
    chunk = screen_chunk(solid, entries(crystals), duplicates=True)
    assert len(chunk.found) == len(crystals)
    assert not chunk.duplicates


def test_files_give_back_everything(solid, crystals, tmp_path: Path):
    all_entries = [*entries(crystals), failing("sentence with “ünïcode”")]
    chunk = screen_chunk(solid, all_entries, wanted=CrystalFilter(max_atoms=1))
    chunk.save(tmp_path / "000000.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["000000.npz"]
    again = Chunk.load(tmp_path / "000000.npz")
    for name in ("found", "refused", "duplicates", "filtered", "n_entries", "seconds"):
        assert getattr(again, name) == getattr(chunk, name), name
    for name in ("edges", "columns", "deviations"):
        np.testing.assert_array_equal(getattr(again, name), getattr(chunk, name))
    np.testing.assert_allclose(again.modes, chunk.modes, rtol=1e-6)
    assert again.members.shape == (len(chunk.found), 0, 240)
    for one, other in zip(again.distances, chunk.distances, strict=True):
        np.testing.assert_array_equal(one, other)


def test_files_of_nothing(solid, tmp_path: Path):
    screen_chunk(solid, [failing("no")]).save(tmp_path / "x.npz")
    again = Chunk.load(tmp_path / "x.npz")
    assert (again.found, again.n_entries, len(again.refused)) == ([], 1, 1)


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (CrystalFilter(elements=("Mg", "O", "Si")), {"Si", "MgO"}),
        (CrystalFilter(containing=("S",)), {"ZnS", "PbS"}),
        (CrystalFilter(containing=("Pb", "S")), {"PbS"}),
        (CrystalFilter(without=("Pb", "Na", "Li")), {"Si", "C", "MgO", "Al", "ZnS"}),
        (CrystalFilter(max_atoms=1), {"Pb", "Al"}),
        (CrystalFilter(max_atoms=1, without=("Pb",)), {"Al"}),
    ],
)
def test_filters(solid, crystals, wanted: CrystalFilter, left: set[str]):
    chunk = screen_chunk(solid, entries(crystals), wanted=wanted)
    assert {c.name for c in chunk.found} == left
    duplicates = len(chunk.duplicates)
    assert sum(chunk.filtered.values()) == len(crystals) - len(left) - duplicates


def test_large_cells_are_left_out_before_their_symmetry_is_known(monkeypatch, solid):
    """Ten formula units of Al2O3 are not searched if one has too many atoms."""
    rng = np.random.default_rng(0)
    species = np.repeat([13, 8], [20, 30])
    large = Structure(species, rng.uniform(0, 9, (50, 3)), 9 * np.eye(3), np.ones(3, bool))
    monkeypatch.setattr("euclidium.analyze.screen_chunk.identify", pytest.fail)
    chunk = screen_chunk(solid, [Entry("large", lambda: large)], wanted=CrystalFilter(max_atoms=4))
    assert chunk.filtered == {"max_atoms": 1}


def test_batches_are_bounded(solid):
    species = np.full(100, 6)
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), -1).reshape(-1, 3)[:100] * 2
    crystals = [
        Structure(species, grid + rng.normal(0, 0.1, (100, 3)), 10 * np.eye(3), np.ones(3, bool),
                  info={"name": str(n)})
        for n in range(10)
    ]  # fmt: skip
    chunk = screen_chunk(solid, entries(crystals))
    assert len(chunk.found) == 10
    assert sum(solid.batches) == 1000
    assert max(solid.batches) <= BATCH_ATOMS


def test_molecules_are_refused(solid):
    molecule = Structure(np.array([18]), np.zeros((1, 3)), info={"name": "Ar"})
    (refused,) = screen_chunk(solid, entries([molecule])).refused
    assert "periodic" in refused.reason


def test_a_model_with_two_grids_is_an_error(solid, crystals):
    class Odd(type(solid)):
        def spectrum(self, structure):
            found = super().spectrum(structure)
            edges = found.dos.edges * (1 + 0.1 * structure.n_atoms)
            return replace(found, dos=replace(found.dos, edges=edges))

    with pytest.raises(ValueError, match="spectra on different intervals: it must use one grid"):
        screen_chunk(Odd(), entries(crystals))


def test_ensembles_are_kept(solid, crystals, tmp_path: Path):
    class Ensemble(type(solid)):
        def spectrum(self, structure):
            found = super().spectrum(structure)
            members = np.stack([found.dos.modes * factor for factor in (0.9, 1.0, 1.1)])
            return Answer(**vars(found), members=members)

    chunk = screen_chunk(Ensemble(), entries(crystals))
    chunk.save(tmp_path / "x.npz")
    again = Chunk.load(tmp_path / "x.npz")
    assert again.members.shape == (9, 3, 240)
    np.testing.assert_allclose(again.members[:, 2], 1.1 * again.modes, atol=1e-3)
    cold = Expression("cv(30)")
    for row in range(9):
        value = cold.value(again.properties(row))
        sigma = cold.uncertainty(again.properties(row))
        assert sigma >= 0.15 * value * 0.99  # of factors 0.9, 1 and 1.1
