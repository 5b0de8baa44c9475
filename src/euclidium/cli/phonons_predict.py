"""``euclidium phonons predict``: the phonon spectrum of a crystal from its atoms, in seconds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.bands import PICTURES
from euclidium.cli.files import check_new, replacing
from euclidium.cli.model import find_model, open_spectrum
from euclidium.cli.options import Device, DeviceOption, Force, Frame, StructureFile
from euclidium.cli.report import Report, table
from euclidium.cli.tour import one_thread

if TYPE_CHECKING:
    import numpy as np

    from euclidium.analyze.expression import Properties
    from euclidium.atoms.structure import Structure
    from euclidium.models.spectrum import SpectrumResult

SHIPPED = "phonon-dos"
STEP = 2.0  # cm⁻¹, of the points of the picture
WIDTH = 6.0  # cm⁻¹, of the Gaussians that make the intervals of a model a smooth curve
HOTTEST = 5e4  # K
HOT = 1.5  # the curve of the heat capacity ends at so many times the temperature
DOUBTFUL = 0.5  # probability of instability from which people are warned
# What is said of a crystal: key, expression, words, unit. T is the temperature.
ROWS = (
    ("cv_J_per_K_mol_atom", "cv(T)", "heat capacity, mole of atoms", "J/(K mol)"),
    ("cv_J_per_K_mol_formula", "cv_formula(T)", "heat capacity, mole of formulas", "J/(K mol)"),
    ("cv_J_per_K_kg", "cv_kg(T)", "heat capacity, kilogram", "J/(K kg)"),
    ("cv_J_per_K_m3", "cv_m3(T)", "heat capacity, cubic metre", "J/(K m³)"),
    ("entropy_J_per_K_mol_atom", "entropy(T)", "entropy, mole of atoms", "J/(K mol)"),
    ("free_energy_kJ_per_mol_atom", "free_energy(T)", "free energy, mole of atoms", "kJ/mol"),
    ("mean_frequency_cm1", "omega_mean", "mean frequency", "cm⁻¹"),
    ("max_frequency_cm1", "omega_max", "largest frequency", "cm⁻¹"),
    ("last_peak_cm1", "last_peak", "last peak", "cm⁻¹"),
    ("debye_temperature_K", "debye", "Debye temperature", "K"),
    ("zero_point_energy_eV_per_atom", "zpe", "zero-point energy of an atom", "eV"),
)


def phonons_predict(
    structure: StructureFile,
    model: Annotated[
        str, typer.Option("--model", help="A model file of phonon spectra, or the shipped one.")
    ] = SHIPPED,
    substitute: Annotated[
        list[str] | None,
        typer.Option(help="Replace part of an element: Bi:Sb=0.25 puts Bi on a quarter of Sb."),
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", "-T", help="Of the thermal properties, K.")
    ] = 300.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture.")] = Path(
        "phonons.png"
    ),
    frame: Frame = -1,
    force: Force = False,
    device: DeviceOption = Device.cpu,
) -> Report:
    """Predict the phonon density of states of a crystal, and what follows from it.

    No forces are computed: a network that was trained on phonons of crystals says in one step how
    many modes each atom has at which frequency. Draws the density of states with the shares of the
    elements, and the heat capacity; shaded bands are one standard deviation.

    Example: [bold]euclidium phonons predict Mg3Sb2.cif --substitute Bi:Sb=0.25 -T 300[/bold]
    """
    if output.suffix not in PICTURES:
        raise ValueError(f"a picture ends with {', '.join(PICTURES)}, got {output.name}")
    check_new(output, force)
    if not 0 < temperature <= HOTTEST:
        raise ValueError(
            f"-T is a temperature above zero, up to {HOTTEST:g} K, got {temperature:g}"
        )
    path = find_model(model)
    with without_collection():
        crystal = _crystal(structure, frame, substitute or [])
        with one_thread():
            result = next(open_spectrum(str(path), device).predict([crystal]))
        known = _properties(result)
        with replacing(output) as temporary:
            figure = prediction_figure(result, known, temperature)
            figure.savefig(temporary, dpi=160, facecolor="white")
        return _report(result, known, temperature, {"model": path, "picture": output})


@contextmanager
def without_collection() -> Iterator[None]:
    """Leave garbage alone for a while: a sixth of the time of a short process.

    Torch and matplotlib create objects by the hundred thousand as they load, and Python looks
    through all of them again and again.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _crystal(path: Path, frame: int, substitutions: list[str]) -> "Structure":
    """The crystal of a file, with elements replaced."""
    from euclidium.atoms.reader import read_structures

    crystal = next(read_structures(path, frame, keys=None))
    if not substitutions:
        return crystal
    from euclidium.atoms.occupations import parse_substitution
    from euclidium.atoms.occupations import substitute as replace_elements

    return replace_elements(crystal, parse_substitution(substitutions))


def _properties(result: "SpectrumResult") -> "Properties":
    """What expressions may speak of."""
    from euclidium.analyze.expression import Properties

    atoms = result.structure.n_atoms
    known = dict(result.uncertainty)
    return Properties(result.dos, result.last_peak, result.unstable, atoms, known, result.members)


def prediction_figure(result: "SpectrumResult", known: "Properties", temperature: float) -> Any:
    """The density of states with its elements, and the heat capacity, each with its band."""
    import numpy as np

    from euclidium.analyze.expression import Expression
    from euclidium.plot.canvas import COLORS, canvas
    from euclidium.plot.curves import heat_capacity
    from euclidium.plot.spectra import formula, spectrum

    axes = canvas(columns=2, widths=(3, 2), size=(10.5, 3.9))
    points = np.arange(result.dos.edges[0], result.dos.edges[-1] + STEP, STEP)
    total, partial, band = _curves(result, points)
    parts = partial if len(partial) > 1 else None
    spectrum(points, total, parts, band, stacked=band is None, axes=axes[0])
    axes[0].set_title(formula(result.structure.formula))
    temperatures = np.linspace(0, HOT * temperature, 61)[1:]
    values = result.dos.heat_capacity(temperatures)
    heat_capacity(temperatures, values, axes=axes[1])
    sigma = np.array([Expression(f"cv({float(t)!r})").uncertainty(known) for t in temperatures])
    if np.isfinite(sigma).all():
        low, high = values - sigma, values + sigma
        axes[1].fill_between(temperatures, low, high, color=COLORS[0], alpha=0.28, lw=0)
    now = float(result.dos.heat_capacity(temperature))
    axes[1].plot([temperature], [now], "o", color=COLORS[0], ms=5)
    return axes[0].figure


def _curves(
    result: "SpectrumResult", points: "np.ndarray"
) -> "tuple[np.ndarray, dict[str, np.ndarray], np.ndarray | None]":
    """Smooth curves at some frequencies: total, elements, standard deviation of the total.

    The model states one deviation of the whole curve, the root mean square over the points of the
    literature as a share of the maximum. It is spread over the frequencies as the networks
    disagree, or, of one network, in proportion to the curve.
    """
    import numpy as np

    from euclidium.atoms.dos import smoothing
    from euclidium.atoms.phonon_record import GRID51

    smooth = smoothing(result.dos.edges, points, WIDTH)
    partial = {symbol: smooth @ modes for symbol, modes in sorted(result.partial.items())}
    total, members = smooth @ result.dos.modes, result.members
    if "dos51" not in result.uncertainty:
        return total, partial, None
    shape = total
    if members is not None and len(members) > 1:
        shape = (smooth @ members.T).std(axis=1, ddof=1)
    coarse, curve = (np.interp(GRID51, points, values) for values in (shape, total))
    square = float(np.sqrt(np.mean(coarse**2)))
    band = shape * result.uncertainty["dos51"] * curve.max() / square if square else None
    return total, partial, band


def _report(
    result: "SpectrumResult", known: "Properties", temperature: float, files: dict[str, Any]
) -> Report:
    """The numbers as a table; the JSON has all curves."""
    from euclidium.analyze.expression import Expression

    document: dict[str, Any] = {
        **files,
        "formula": result.structure.formula,
        "n_atoms": result.structure.n_atoms,
        "temperature_K": temperature,
    }
    rows: list[tuple[str, Any, Any, str]] = []
    for key, text, words, unit in ROWS:
        expression = Expression(text.replace("T", repr(float(temperature))))
        value, sigma = expression.value(known), expression.uncertainty(known)
        document[key], document[f"{key}_uncertainty"] = value, sigma
        rows.append((words, value, sigma, unit))
    rows.append(("probability that it is unstable", result.unstable, None, ""))
    document["unstable"] = result.unstable
    document["dos"] = {
        "edges_cm1": result.dos.edges,
        "modes_per_atom": result.dos.modes,
        "partial_modes_per_atom": result.partial,
    }
    title = f"{result.structure.formula} at {temperature:g} K"
    warning = (
        (
            f"this crystal is probably unstable ({result.unstable:.0%}): numbers of the harmonic "
            "theory mean little",
        )
        if result.unstable > DOUBTFUL
        else ()
    )
    made = table(title, ("", "value", "±", "unit"), rows)
    return Report(document, (made, *warning, f"picture: {files['picture']}"))
