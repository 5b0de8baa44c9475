"""The tour's second chapter: let the atoms move, and see whether energy is conserved."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from euclidium.cli.chapter import Chapter, Finding, Tour, picture
from euclidium.cli.progress import bar

if TYPE_CHECKING:
    from euclidium.plot.page import Picture
    from euclidium.simulate.md import MDFrame, MDResult

TEMPERATURE = 300.0  # K
TIMESTEP = 1.0  # fs
CELLS = (2, 2, 2)  # cubic cells of eight atoms
STEPS = {"equilibration": 300, "run": 1500}
QUICK_CELLS, QUICK_STEPS = (1, 1, 1), {"equilibration": 40, "run": 100}

TEXT = """
With forces that cost milliseconds, Newton's equation m d²r/dt² = F can be solved step by step.
Here {n_atoms} silicon atoms are brought to {temperature:.0f} K by a thermostat (Langevin,
{before:g} ps) and then left alone for {length:g} ps, in steps of {timestep:g} fs. Potential and
kinetic energy are exchanged all the time, but with no thermostat their sum must not change. That
tests whether the forces are true derivatives of one smooth energy. The cells that the potential
learned from had 16 atoms at most; a sum over atoms does not care.
"""


def dynamics(tour: Tour) -> Chapter:
    """Run molecular dynamics without a thermostat, and measure the drift of the energy."""
    from euclidium.plot.page import Fact, Section

    start = time.perf_counter()
    cells, steps = (QUICK_CELLS, QUICK_STEPS) if tour.quick else (CELLS, STEPS)
    result = _run(tour, cells, steps)
    n_steps = sum(steps.values())
    speed = 1000 * (time.perf_counter() - start) / n_steps
    n_atoms = len(result.atoms)
    length = float(result.time[-1]) / 1000
    text = TEXT.format(
        n_atoms=n_atoms,
        temperature=TEMPERATURE,
        before=steps["equilibration"] * TIMESTEP / 1000,
        length=length,
        timestep=TIMESTEP,
    )
    mean = float(result.temperature.mean())
    facts = (
        Fact("energy drift", f"{1000 * result.drift:.2g} µeV", f"an atom, in {length:g} ps"),
        Fact("mean temperature", f"{mean:.0f} K"),
        Fact("time for a step", f"{speed:.0f} ms", f"{n_atoms} atoms, float64"),
    )
    section = Section("Atoms in motion", text, facts, [_energies(result), _temperature(result)])
    findings = (
        Finding("energy drift", result.drift, "meV/atom", 0.0),
        Finding("mean temperature", mean, "K"),
    )
    return Chapter("dynamics", section, _numbers(result, mean, speed), findings, facts[:1])


def _run(tour: Tour, cells: tuple[int, int, int], steps: dict[str, int]) -> "MDResult":
    """Equilibrate with a thermostat, then run without."""
    from euclidium.simulate.calculator import Calculator
    from euclidium.simulate.md import md

    crystal = _crystal(cells)
    calculator = Calculator(tour.model, dtype="float64")
    with bar("molecular dynamics", total=sum(steps.values())) as shown:

        def observe(frame: "MDFrame") -> None:
            shown.advance(1 if frame.step else 0)

        common: dict[str, Any] = {
            "temperature": TEMPERATURE,
            "timestep": TIMESTEP,
            "interval": 1,
            "observe": observe,
        }
        warm = md(
            crystal,
            calculator,
            "langevin",
            steps=steps["equilibration"],
            friction=0.02,
            seed=0,
            **common,
        )
        return md(warm.atoms, calculator, "nve", steps=steps["run"], velocities="keep", **common)


def _crystal(cells: tuple[int, int, int]) -> Any:
    """The reference crystal as repeated cubic cells, without labels."""
    from euclidium.atoms.embedded import embedded_file
    from euclidium.atoms.structure import Structure

    with np.load(embedded_file("silicon", "phonons.npz")) as reference:
        a = float(reference["lattice_constant"])
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    positions = a * np.concatenate([corners, corners + 0.25])
    cube = Structure(np.full(8, 14), positions, a * np.eye(3), np.ones(3, dtype=bool))
    return cube.to_ase().repeat(cells)


def _numbers(result: "MDResult", mean: float, speed: float) -> dict[str, Any]:
    """The chapter for machines."""
    return {
        "n_atoms": len(result.atoms),
        "time_fs": float(result.time[-1]),
        "timestep_fs": TIMESTEP,
        "temperature_K": mean,
        "drift_meV_per_atom": result.drift,
        "drift_rate_meV_per_atom_per_ps": result.drift_rate,
        "fluctuation_meV_per_atom": result.fluctuation,
        "milliseconds_per_step": speed,
    }


def _energies(result: "MDResult") -> "Picture":
    """Potential, kinetic and total energy; and the total alone, magnified."""
    from euclidium.plot.canvas import COLORS, canvas
    from euclidium.plot.curves import energy_drift

    n_atoms = len(result.atoms)
    left, right = canvas(columns=2, widths=(1, 1.3), size=(8.6, 3.4))
    for name, values, color in (
        ("potential", result.potential, COLORS[0]),
        ("kinetic", result.kinetic, COLORS[2]),
        ("total", result.energy, COLORS[1]),
    ):
        shifted = 1000 * (values - values.mean()) / n_atoms
        left.plot(result.time / 1000, shifted, color=color, label=name, lw=1.0)
    left.set(xlabel="time (ps)", ylabel="energy − mean (meV/atom)")
    left.set_xlim(0, float(result.time[-1]) / 1000)
    left.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    energy_drift(result.time, result.conserved, n_atoms, axes=right)
    return picture(
        left,
        "Energy. Left: potential and kinetic energy mirror each other, their sum stays. Right: the "
        "sum alone, magnified, with the straight line that measures its drift.",
    )


def _temperature(result: "MDResult") -> "Picture":
    """Temperature against time."""
    from euclidium.plot.curves import temperature

    axes = temperature(result.time, result.temperature, target=TEMPERATURE)
    return picture(
        axes,
        "Temperature, from the kinetic energy. In a crystal of N atoms it fluctuates by about "
        f"T/√(3N), here {TEMPERATURE / (3 * len(result.atoms)) ** 0.5:.0f} K.",
    )
