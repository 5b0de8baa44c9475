"""The language of rankings: what it computes, what it knows of errors, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from euclidium.analyze.expression import FUNCTIONS, NAMES, Expression, Properties, density, glossary
from euclidium.atoms import PhononDOS
from euclidium.units import AVOGADRO

EDGES = np.arange(0.0, 600.0, 5.0)
SURE = {"cv300": 0.2, "mean_frequency": 6.0, "last_peak": 9.0}


@pytest.fixture
def silicon() -> Properties:
    """Numbers of the size of silicon's, on a smooth spectrum."""
    modes = np.diff(np.clip(EDGES / 520, 0, 1) ** 3) * 3
    dos = PhononDOS(EDGES, modes, mass=28.085, volume=20.02, formula_atoms=1)
    return Properties(dos, last_peak=490.0, unstable=0.05, n_atoms=2, deviations=SURE)


def test_every_word_has_its_value(silicon: Properties):
    dos = silicon.dos
    expected = {
        "cv(300)": dos.heat_capacity(300.0),
        "cv_formula(300)": dos.heat_capacity(300.0, "formula"),
        "cv_kg(300)": dos.heat_capacity(300.0, "kg"),
        "cv_m3(300)": dos.heat_capacity(300.0, "m3"),
        "entropy(300)": dos.entropy(300.0),
        "free_energy(300)": dos.free_energy(300.0),
        "debye": dos.debye_temperature,
        "density": 28.085 / AVOGADRO / 20.02e-24,
        "last_peak": 490.0,
        "mass": 28.085,
        "n_atoms": 2,
        "omega_max": dos.max_frequency,
        "omega_mean": dos.mean_frequency,
        "unstable": 0.05,
        "volume": 20.02,
        "zpe": dos.zero_point_energy,
    }
    assert {text.partition("(")[0] for text in expected} == FUNCTIONS.keys() | NAMES.keys()
    for text, value in expected.items():
        assert Expression(text).value(silicon) == pytest.approx(float(value), rel=1e-8), text
        assert not Expression(text).is_condition
    assert len(list(glossary())) == len(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("+7 / 2", 3.5),
        ("sqrt(n_atoms + 2)", 2),
        ("exp(log(mass))", 28.085),
        ("abs(last_peak - 500)", 10),
        ("cv(100 + 200) / cv(300)", 1),
    ],
)
def test_arithmetic(silicon: Properties, text: str, value: float):
    assert Expression(text).value(silicon) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("unstable < 0.2", True),
        ("unstable >= 0.2", False),
        ("0 < unstable <= 0.05 < 1", True),
        ("n_atoms == 2 and not mass > 30", True),
        ("n_atoms != 2 or volume > 20", True),
        ("cv(300) > 3 * 8.3145", False),  # below Dulong and Petit
        ("1 / (n_atoms - 2) > 0", False),  # no number
        ("not log(0 * mass) > 0", False),
        ("not (0 - 2) ** 0.5 < 1", False),
    ],
)
def test_conditions(silicon: Properties, text: str, true: bool):
    assert Expression(text).is_condition
    assert Expression(text).holds(silicon) is true


@pytest.mark.parametrize("text", ["not density < 9", "density != 3", "not (density > 1)"])
def test_no_condition_holds_of_a_number_that_is_not_known(silicon: Properties, text: str):
    unknown = replace(silicon, dos=replace(silicon.dos, volume=float("nan")))
    assert not Expression(text).holds(unknown)


@pytest.mark.parametrize(
    "text", ["1 / (n_atoms - 2)", "log(0 * mass)", "(0 - 2) ** 0.5", "9**9**9"]
)
def test_what_has_no_value_is_nan(silicon: Properties, text: str):
    assert np.isnan(Expression(text).value(silicon))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "an expression is empty"),
        ("cv_kg(", "'cv_kg(' is not an expression: use numbers"),
        ("omega_men", "there is no 'omega_men'; did you mean 'omega_mean'"),
        ("Cv(300)", "there is no 'Cv'; did you mean 'cv'?"),
        ("bandgap", "there is no 'bandgap': there are cv, cv_formula"),
        ("cv", "cv needs a temperature in K: write cv(300)"),
        ("cv()", "cv takes one number: write for example cv(300)"),
        ("cv(300, 400)", "cv takes one number"),
        ("cv(T=300)", "cv takes one number"),
        ("debye(300)", "debye does not depend on anything: write debye alone"),
        ("cv(mass)", "the temperature 'mass' must be a number of K"),
        ("cv(0)", "the temperature '0' must lie between 0 and 100000 K"),
        ("cv(-5)", "the temperature '-5' must lie between"),
        ("cv(cv(300))", "the temperature 'cv(300)' must lie between"),
        ("__import__('os')", "there is no '__import__'"),
        ("mass.real", "'mass.real' is not understood"),
        ("[1, 2][0]", "is not understood"),
        ("'text'", "is not understood"),
        ("True", "'True' is not understood"),
        ("mass // 2", "'mass // 2' is not understood"),
        ("lambda: 1", "is not understood"),
        ("1 if mass > 2 else 3", "is not understood"),
        ("mass is 2", "is not understood"),
        ("mass and 2", "'mass' stands where a condition, such as unstable < 0.2 belongs"),
        ("(mass > 2) + 1", "'mass > 2' stands where a number belongs"),
        ("mass + " * 60 + "1", "an expression has 421 characters, and may have 300"),
    ],
)
def test_what_is_not_in_the_language(text: str, sentence: str):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Expression(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_deep_nesting_ends_with_a_sentence():
    assert not Expression("-" * 90 + "1").is_condition
    with pytest.raises(ValueError, match="is nested too deeply: simplify it"):
        Expression("-" * 200 + "1")
    with pytest.raises(ValueError, match="is not an expression"):
        Expression("(" * 250)


def test_the_models_own_uncertainty_comes_out(silicon: Properties):
    assert Expression("cv(300)").uncertainty(silicon) == pytest.approx(0.2, rel=1e-9)
    assert Expression("omega_mean").uncertainty(silicon) == pytest.approx(6.0, rel=1e-6)
    assert Expression("last_peak").uncertainty(silicon) == pytest.approx(9.0, rel=1e-9)
    kg = silicon.dos.heat_capacity(300.0, "kg") / silicon.dos.heat_capacity(300.0)
    assert Expression("cv_kg(300)").uncertainty(silicon) == pytest.approx(0.2 * kg, rel=1e-9)
    assert Expression("mass / volume + unstable").uncertainty(silicon) == 0


def test_uncertainty_is_that_of_a_stretched_spectrum(silicon: Properties):
    """If all frequencies are wrong by one factor, first order is exact for small ones."""
    share = 0.004
    dos = silicon.dos
    up, down = (
        replace(silicon, dos=PhononDOS(EDGES * (1 + s), dos.modes, dos.mass, dos.volume))
        for s in (share, -share)
    )
    room = Expression("cv(300)")
    sure = {
        "cv300": abs(room.value(up) - room.value(down)) / 2,
        "mean_frequency": share * dos.mean_frequency,
    }
    known = replace(silicon, deviations=sure)
    for text in ("cv(50)", "cv_m3(900)", "entropy(200)", "free_energy(700)", "zpe ** 2", "debye"):
        expression = Expression(text)
        found = abs(expression.value(up) - expression.value(down)) / 2
        assert expression.uncertainty(known) == pytest.approx(found, rel=1e-3), text


def test_sources_add_in_squares(silicon: Properties):
    both = Expression("cv(300) / 8 + 3 * last_peak")
    expected = np.hypot(0.2 / 8, 3 * 9.0)
    assert both.sources == {"cv300", "last_peak"}
    assert both.uncertainty(silicon) == pytest.approx(expected, rel=1e-6)
    # of one source, what cancels has no uncertainty
    assert Expression("cv(300) / cv_kg(300)").uncertainty(silicon) == pytest.approx(0, abs=1e-9)


def test_what_is_not_known_is_nan(silicon: Properties):
    blind = replace(silicon, deviations={"cv300": 0.1})
    assert np.isnan(Expression("omega_mean").uncertainty(blind))
    assert Expression("cv(300)").uncertainty(blind) == pytest.approx(0.1)
    peakless = replace(silicon, last_peak=0.0)
    assert np.isnan(Expression("last_peak").uncertainty(peakless))
    assert np.isnan(Expression("cv(300) * omega_max").uncertainty(silicon))


def test_networks_that_disagree_add_to_the_uncertainty(silicon: Properties):
    """Three networks: their deviation counts one and a half times, if it is the larger."""
    modes = silicon.dos.modes
    soft = np.where(EDGES[1:] < 100, 0.5, 0.0)  # few modes, which cv(300) hardly notices
    members = np.stack([modes * (1 + f * soft) for f in (-1.0, 0.0, 1.0)])
    members *= 3 / members.sum(axis=1, keepdims=True)
    known = replace(silicon, members=members)
    for text in ("cv(20)", "entropy(100)", "cv_kg(20) / mass"):
        expression = Expression(text)
        values = [
            expression.value(replace(silicon, dos=replace(silicon.dos, modes=one)))
            for one in members
        ]
        alone = expression.uncertainty(silicon)
        spread = 1.5 * np.std(values, ddof=1)
        assert spread > alone, text
        assert expression.uncertainty(known) == pytest.approx(spread), text
        blind = replace(known, deviations={})
        assert expression.uncertainty(blind) == pytest.approx(spread), text
    room = Expression("cv(300)")
    assert room.uncertainty(known) == pytest.approx(room.uncertainty(silicon))
    assert Expression("last_peak").uncertainty(known) == pytest.approx(9.0)
    assert Expression("mass").uncertainty(known) == 0
    single = replace(silicon, members=members[:1])
    assert Expression("cv(20)").uncertainty(single) == Expression("cv(20)").uncertainty(silicon)


def test_units():
    assert Expression("cv_kg(300)").unit == "J/(K kg)"
    assert Expression("last_peak").unit == "cm⁻¹"
    assert Expression("sqrt(mass)").unit == ""
    assert Expression("mass * 2").unit == ""


def test_density_of_diamond():
    dos = PhononDOS(EDGES, np.ones(len(EDGES) - 1), mass=12.011, volume=3.567**3 / 8)
    assert density(dos) == pytest.approx(3.52, abs=0.01)  # measured: 3.51


def test_soft_crystals_are_not_blamed_for_what_no_stretch_explains():
    """Near Dulong and Petit, no likely error of the frequencies moves C_v at 300 K by much."""
    modes = np.diff(np.clip(EDGES / 80, 0, 1) ** 3) * 3
    dos = PhononDOS(EDGES, modes, mass=207.2, volume=30.3)
    sure = {"cv300": 0.1, "mean_frequency": 3.0, "last_peak": 4.0}
    lead = Properties(dos, last_peak=78.0, unstable=0.01, n_atoms=1, deviations=sure)
    room, cold = Expression("cv(300)"), Expression("cv(20)")
    assert room.uncertainty(lead) == pytest.approx(0.1, rel=1e-6)
    stretch = 3.0 / dos.mean_frequency
    up, down = (
        float(PhononDOS(EDGES * (1 + s), modes).heat_capacity(20.0)) for s in (stretch, -stretch)
    )
    assert cold.uncertainty(lead) == pytest.approx(abs(up - down) / 2, rel=0.05)
