"""The record of a crystal from the frequencies of its phonons on a mesh of wave vectors."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from euclidium.atoms.dos import (
    KELVIN,
    LOWEST,
    PhononDOS,
    oscillator_entropy,
    oscillator_heat,
    smoothing,
)
from euclidium.atoms.phonon_record import (
    GRID51,
    PITCH,
    ROOM,
    TEMPERATURES,
    WIDTH,
    WIDTH51,
    PhononRecord,
    last_maximum,
)
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import CM1_TO_MEV, GAS_CONSTANT, MEV

BIN = 0.5  # cm⁻¹, of the histogram that is smoothed


def record_of_modes(
    name: str,
    structure: Structure,
    frequencies: Float[np.ndarray, "q band"],
    weights: Float[np.ndarray, " q"],
    partial: Mapping[str, Float[np.ndarray, "q band"]] | None = None,
    split: str | None = None,
    info: Mapping[str, object] | None = None,
) -> PhononRecord:
    """The record of a crystal whose phonons are known on a mesh of wave vectors.

    ``frequencies`` in cm⁻¹, imaginary ones negative, of all 3N modes of the N atoms of the
    structure; ``weights`` of the wave vectors, on any scale; ``partial`` the shares of each element
    in the modes, Σ |e|² over its atoms, which sum to one. The curves are sums of Gaussians of
    6 cm⁻¹ on multiples of 5 cm⁻¹ (and of 10 cm⁻¹, for ``dos51``); the heat capacity, the mean
    frequency (of the real modes) and the share of imaginary ones are sums over the modes
    themselves, as are ``wmin``, ``wmax``, ``zpe_eV``, ``cv_kB`` and ``S_kB`` in ``info``, for the
    cell. Raises ``DataError`` for frequencies that do not fit the structure.

    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> modes = np.array([[30.0, 30.0, 60.0]])
    >>> record = record_of_modes("argon", argon, modes, np.ones(1))
    >>> record.mean_frequency, record.last_peak, round(record.heat_capacity, 2)
    (40.0, 60.0, 24.86)
    """
    n_atoms = structure.n_atoms
    if frequencies.shape[1] != 3 * n_atoms or not np.isfinite(frequencies).all():
        raise DataError(
            f"{name}: {frequencies.shape[1]} modes, or some that are not finite, at each wave "
            f"vector; a cell of {n_atoms} atoms has {3 * n_atoms}"
        )
    each = np.broadcast_to(weights[:, None] / (weights.sum() * n_atoms), frequencies.shape)
    first = np.floor((frequencies.min() - 4 * WIDTH) / PITCH)
    last = np.ceil((frequencies.max() + 4 * WIDTH) / PITCH)
    points = PITCH * np.arange(first, last + 1)
    edges = np.append(points, points[-1] + PITCH) - PITCH / 2
    bins = np.linspace(edges[0], edges[-1], round((edges[-1] - edges[0]) / BIN) + 1)
    shares = np.stack([each, *(each * part for part in (partial or {}).values())])
    counts = np.stack([np.histogram(frequencies, bins, weights=share)[0] for share in shares])
    curves = counts @ smoothing(bins, points, WIDTH).T
    modes = 3 * curves / curves[0].sum()
    zero_point, heat, entropy = _thermal(frequencies, each)
    return PhononRecord(
        name=name,
        structure=structure,
        dos=PhononDOS.of(structure, edges, modes[0], WIDTH),
        partial=None if partial is None else dict(zip(partial, modes[1:], strict=True)),
        heat_capacity=float(heat[TEMPERATURES == ROOM][0]) * GAS_CONSTANT,
        mean_frequency=_mean(frequencies, each),
        last_peak=last_maximum(points, curves[0]),
        imaginary=float(each[frequencies < -5.0].sum() / 3),
        dos51=smoothing(bins, GRID51, WIDTH51) @ counts[0],
        split=split,
        info={
            **(info or {}),
            "wmin": float(frequencies.min()),
            "wmax": float(frequencies.max()),
            "zpe_eV": n_atoms * zero_point,
            "cv_kB": n_atoms * heat,
            "S_kB": n_atoms * entropy,
        },
    )


def _mean(frequencies: np.ndarray, weights: np.ndarray) -> float:
    """The mean of the real frequencies, zero if there are none."""
    real = frequencies > -LOWEST  # the acoustic modes at Γ are zero but for noise
    total = float(weights[real].sum())
    return float(weights[real] @ frequencies[real]) / total if total > 0 else 0.0


def _thermal(frequencies: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Zero-point energy (eV), heat capacity and entropy (k_B), for each atom."""
    real = frequencies > LOWEST
    omega, weight = frequencies[real], weights[real]
    x = KELVIN * omega / TEMPERATURES[:, None]
    zero_point = float(weight @ omega) * CM1_TO_MEV * MEV / 2
    return zero_point, oscillator_heat(x) @ weight, oscillator_entropy(x) @ weight
