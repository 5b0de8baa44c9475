"""Errors of spectra against what they are by definition."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, repeat

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.spectra import (
    SYSTEMS,
    Prediction,
    compare,
    crystal_system,
    evaluate_spectra,
    normalized,
    reduced_formula,
    wasserstein,
)
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import GRID51, PhononRecord
from euclidium.atoms.structure import Structure

FIRST = [
    "dos51_mae",
    "dos51_mse",
    "cv300_mae",
    "mean_freq_mae",
    "last_peak_mae",
    "stability_auroc",
    "n",
]
EDGES = np.arange(-300.0, 1201.0, 5.0)


@dataclass(frozen=True, eq=False)
class Said:
    """A prediction with any content."""

    structure: Structure
    dos: PhononDOS
    last_peak: float
    unstable: float = 0.0
    uncertainty: Mapping[str, float] = field(default_factory=dict)


@pytest.fixture
def crystals() -> dict[str, Structure]:
    """Crystals of several systems."""
    made = {
        "Si": bulk("Si"),
        "MgO": bulk("MgO", "rocksalt", 4.21),
        "ZnO": bulk("ZnO", "wurtzite", 3.25, 5.2),
        "Mg": bulk("Mg"),
        "Hg": bulk("Hg"),
        "Sn": bulk("Sn", "bct", a=5.83, c=3.18),
    }
    return {name: Structure.from_ase(atoms) for name, atoms in made.items()}


@pytest.fixture
def bumps() -> Callable[..., PhononDOS]:
    """A density of states of Gaussians at some frequencies, each with its share of the modes."""

    def make(*bumps: tuple[float, float], width: float = 20.0) -> PhononDOS:
        centers = (EDGES[1:] + EDGES[:-1]) / 2
        curve = sum(share * np.exp(-(((centers - w) / width) ** 2) / 2) for w, share in bumps)
        return PhononDOS(EDGES, 3 * curve / curve.sum())

    return make


@pytest.fixture
def records(crystals: dict[str, Structure], bumps: Callable[..., PhononDOS]) -> list[PhononRecord]:
    """One record a crystal; that of mercury is unstable."""
    places = {
        "Si": [(150.0, 1.0), (480.0, 1.0)],
        "MgO": [(300.0, 1.0), (600.0, 0.5)],
        "ZnO": [(100.0, 1.0), (550.0, 1.0)],
        "Mg": [(220.0, 1.0)],
        "Hg": [(-60.0, 0.3), (80.0, 1.0)],
        "Sn": [(90.0, 1.0), (130.0, 1.0)],
    }
    return [PhononRecord.of(name, crystals[name], bumps(*at)) for name, at in places.items()]


@pytest.fixture
def told() -> Callable[..., Said]:
    """What a perfect model would say of a record, with what one wants to be otherwise."""

    def make(record: PhononRecord, **changes: object) -> Said:
        perfect: dict[str, object] = {
            "structure": record.structure,
            "dos": record.dos,
            "last_peak": record.last_peak,
            "unstable": record.imaginary,
        }
        return Said(**{**perfect, **changes})

    return make


def moved(dos: PhononDOS, by: float) -> PhononDOS:
    """The same modes at frequencies that are higher by so much, cm⁻¹."""
    return PhononDOS(dos.edges + by, dos.modes)


def test_a_perfect_prediction(records: list[PhononRecord], told: Callable[..., Prediction]):
    errors = evaluate_spectra(map(told, records), iter(records))
    found = errors.as_dict()
    assert list(found)[: len(FIRST)] == FIRST
    assert found["n"] == len(records)
    assert found["stability_auroc"] == 1.0
    exact = ("dos51_mae", "dos51_mse", "cv300_mae", "mean_freq_mae", "last_peak_mae", "wasserstein")
    for name in exact:
        assert found[name] == pytest.approx(0, abs=1e-9)
        assert found["stable"][name] == pytest.approx(0, abs=1e-9)


def test_a_rigid_shift(records: list[PhononRecord], told: Callable[..., Prediction]):
    """All frequencies 20 cm⁻¹ too high: the paper's curve moves by one point of its grid."""
    records = [record for record in records if record.name != "Hg"]
    shifted = [
        told(r, dos=moved(r.dos, 20.0), last_peak=r.last_peak + 20.0, unstable=0.5) for r in records
    ]
    errors = evaluate_spectra(shifted, records)
    assert errors.mean_freq_mae == pytest.approx(20.0, rel=1e-3)
    assert errors.last_peak_mae == pytest.approx(20.0)
    assert errors.wasserstein == pytest.approx(20.0)
    crystals = errors.crystals
    assert (crystals.heat_capacity[:, 0] < crystals.heat_capacity[:, 1]).all()
    # of magnesium everything lies inside the grid, and its maximum on a point of it
    (mg,) = [n for n, r in enumerate(records) if r.name == "Mg"]
    np.testing.assert_allclose(crystals.predicted[mg, 1:], crystals.reference[mg, :-1], atol=1e-12)
    difference = crystals.predicted[mg] - crystals.reference[mg]
    assert crystals.mse[mg] == pytest.approx(np.mean(difference**2))
    assert crystals.mae[mg] == pytest.approx(np.mean(np.abs(difference)))


def test_curves_have_any_scale(records: list[PhononRecord], told: Callable[..., Prediction]):
    scaled = [PhononRecord(**{**vars(record), "dos51": 7.0 * record.dos51}) for record in records]
    assert evaluate_spectra(map(told, records), scaled).dos51_mse == pytest.approx(0, abs=1e-20)


def test_the_measure_of_the_paper(records: list[PhononRecord], told: Callable[..., Prediction]):
    """Curves on 0, 20, ... 1000 cm⁻¹ with Gaussians of 10 cm⁻¹, written out once more."""
    a, b = records[0], records[1]
    curves = []
    for dos in (b.dos, a.dos):
        gauss = np.exp(-(((GRID51[:, None] - dos.centers) / 10.0) ** 2) / 2)
        curve = gauss @ dos.modes
        curves.append(curve / curve.max())
    expected = np.mean((curves[0] - curves[1]) ** 2)
    found = evaluate_spectra([told(a, dos=b.dos)], [a])
    assert found.dos51_mse == pytest.approx(expected, rel=2e-2)  # intervals of 5 cm⁻¹ are finite


def test_averages_of_parts(records: list[PhononRecord], told: Callable[..., Prediction]):
    wrong = [told(r, last_peak=r.last_peak + 10.0 * n) for n, r in enumerate(records)]
    found = evaluate_spectra(wrong, records).as_dict()
    assert found["last_peak_mae"] == pytest.approx(25.0)
    assert found["stable"]["n"] == 5  # without mercury, which is the fifth
    assert found["stable"]["last_peak_mae"] == pytest.approx((0 + 10 + 20 + 30 + 50) / 5)
    assert list(found["by_element"]) == ["O", "Mg", "Si", "Zn", "Sn", "Hg"]
    assert found["by_element"]["Mg"]["n"] == 2
    assert found["by_element"]["Mg"]["last_peak_mae"] == pytest.approx(20.0)
    systems = found["by_crystal_system"]
    assert {name: part["n"] for name, part in systems.items()} == {
        "tetragonal": 1,
        "trigonal": 1,
        "hexagonal": 2,
        "cubic": 2,
    }
    assert found["unstable_share"] == pytest.approx(1 / 6)
    assert sorted(found["quartiles"]) == found["quartiles"]


def test_one_class_has_no_auroc(records: list[PhononRecord], told: Callable[..., Prediction]):
    errors = evaluate_spectra(map(told, records[:3]), records[:3])
    assert errors.as_dict()["stability_auroc"] is None
    assert "all 3 crystals are stable, and it needs both kinds" in errors.notes[0]
    unstable = [r for r in records if r.name == "Hg"]
    errors = evaluate_spectra(map(told, unstable), unstable)
    assert "all 1 crystals are unstable" in errors.notes[0]
    assert errors.stable == {
        **dict.fromkeys(("dos51_mae", "dos51_mse", "cv300_mae", "mean_freq_mae"), None),
        **{"last_peak_mae": None, "wasserstein": None, "n": 0},
    }


def test_uncertainties(records: list[PhononRecord], told: Callable[..., Prediction]):
    """The deviation of half of them is just too small, that of the others just large enough."""
    said = []
    for n, record in enumerate(records):
        error = 1.0 + n
        sigma = {"last_peak": error * (0.9 if n % 2 else 1.1), "cv300": 1.0}
        said.append(told(record, last_peak=record.last_peak - error, uncertainty=sigma))
    errors = evaluate_spectra(said, records)
    found = errors.as_dict()["calibration"]
    assert set(found) == {"last_peak", "cv300"}
    assert found["last_peak"]["within_1_sigma"] == 0.5
    assert found["last_peak"]["within_2_sigma"] == 1.0
    assert found["last_peak"]["spearman"] > 0.9
    assert found["last_peak"]["auroc"] == 1.0
    assert found["cv300"]["mean_sigma"] == 1.0
    assert "no uncertainty of mean_frequency, dos51" in errors.notes[-1]


def test_unstable_crystals_give_numbers(
    records: list[PhononRecord],
    bumps: Callable[..., PhononDOS],
    told: Callable[..., Prediction],
    crystals: dict[str, Structure],
):
    """All modes below zero: nothing to divide by on the grid, and no heat capacity."""
    hopeless = PhononRecord.of("Hg", crystals["Hg"], bumps((-200.0, 1.0), width=8.0))
    found = evaluate_spectra([told(hopeless, dos=records[0].dos)], [hopeless])
    again = evaluate_spectra([told(hopeless)], [hopeless])
    for errors in (found, again):
        numbers = [v for v in errors.as_dict().values() if isinstance(v, float)]
        assert np.isfinite(numbers).all()
    assert again.dos51_mse == 0
    assert found.cv300_mae == pytest.approx(float(records[0].dos.heat_capacity(300.0)))


def test_pairs_must_fit(records: list[PhononRecord], told: Callable[..., Prediction]):
    said = [told(record) for record in records]
    with pytest.raises(ValueError, match="differ in number after 5 of them"):
        compare(said[:5], records)
    with pytest.raises(ValueError, match="differ in number after 5 of them"):
        compare(said, records[:5])
    with pytest.raises(ValueError, match=r"the prediction for Si is of MgO, the record of Si2"):
        compare(said[1:], records[:-1])

    def broken():
        yield said[0]
        raise ValueError("out of memory")

    with pytest.raises(ValueError, match="out of memory"):
        compare(broken(), records)


def test_predictions_are_not_kept(records: list[PhononRecord], told: Callable[..., Prediction]):
    """Ten thousand spectra go by; what stays is a few numbers of each."""
    alive = []

    class Watched:
        def __init__(self, record: PhononRecord) -> None:
            self.__dict__.update(vars(told(record)))
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    most = 0

    def stream():
        nonlocal most
        for record in islice(repeat(records[0]), 20):
            yield Watched(record)
            most = max(most, len(alive))

    assert compare(stream(), repeat(records[0], 20)).predicted.shape == (20, 51)
    assert most <= 2


def test_wasserstein_against_scipy(bumps: Callable[..., PhononDOS]):
    from scipy.stats import wasserstein_distance

    a, b = bumps((100.0, 1.0), (500.0, 0.4)), bumps((-50.0, 0.2), (300.0, 1.0))
    points = wasserstein_distance(a.centers, b.centers, a.modes, b.modes)
    assert wasserstein(a, b) == pytest.approx(points, rel=1e-3)
    assert wasserstein(a, b) == pytest.approx(wasserstein(b, a))
    assert wasserstein(a, a) == 0
    # crossing distribution functions, exact: a box in the middle of a box twice as wide
    narrow = PhononDOS(np.array([50.0, 150.0]), np.array([3.0]))
    wide = PhononDOS(np.array([0.0, 200.0]), np.array([3.0]))
    assert wasserstein(narrow, wide) == pytest.approx(25.0)
    assert wasserstein(wide, moved(wide, 7.0)) == pytest.approx(7.0)


def test_crystal_systems_of_all_groups(crystals: dict[str, Structure]):
    assert next(iter(SYSTEMS.values())) == "triclinic"
    found = {name: crystal_system(crystal) for name, crystal in crystals.items()}
    assert found == {
        "Si": "cubic",
        "MgO": "cubic",
        "ZnO": "hexagonal",
        "Mg": "hexagonal",
        "Hg": "trigonal",
        "Sn": "tetragonal",
    }
    sheared = bulk("Si", cubic=True)
    sheared.set_cell(sheared.cell.array @ (np.eye(3) + np.diag([0.01, 0.03], 1)), scale_atoms=True)
    assert crystal_system(Structure.from_ase(sheared)) == "triclinic"
    molecule = Structure(np.array([1, 1]), np.array([[0.0, 0, 0], [0.0, 0, 0.74]]))
    assert crystal_system(molecule) == "unknown"


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("NaCl", "NaCl"),
        ("O3CaC", "CaCO3"),
        ("O6C2Ca2", "CaCO3"),
        ("NH4Cl", "NH4Cl"),
        ("F2O", "OF2"),
    ],
)
def test_formulas_as_they_are_written(symbols: str, expected: str):
    from ase import Atoms

    atoms = Atoms(symbols)
    atoms.positions[:, 0] = 3.0 * np.arange(len(atoms))
    assert reduced_formula(Structure.from_ase(atoms)) == expected


def test_alloys_are_called_by_all_their_elements(bumps: Callable[..., PhononDOS]):
    fractions = np.zeros((2, 119))
    fractions[0, 11], fractions[1, [17, 53]] = 1.0, (0.6, 0.4)
    salt = Structure.from_ase(bulk("NaCl", "rocksalt", 5.64))
    alloy = replace(salt, occupations=fractions)
    assert reduced_formula(alloy) == "NaI0.4Cl0.6"
    assert crystal_system(alloy) == "cubic"
    dos = bumps((200.0, 1.0))
    records = [PhononRecord.of("x", one, dos) for one in (salt, alloy)]
    answers = [Said(one, dos, 200.0) for one in (salt, alloy)]
    assert set(evaluate_spectra(answers, records).by_element) == {"Na", "Cl", "I"}
    with pytest.raises(ValueError, match="the prediction for x is of ClNa, the record of Cl0"):
        evaluate_spectra(answers[:1], records[1:])


def test_a_curve_of_zeros_stays():
    assert normalized(np.zeros(3)).tolist() == [0, 0, 0]
