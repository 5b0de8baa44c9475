"""Equations of motion as ASE dynamics, each with the energy that it should conserve.

ASE's own chain thermostats count 3N degrees of freedom where the total momentum is conserved and
only 3N − 3 are thermal, and nine of a symmetric cell that has six: eight silicon atoms become 14 %
too hot. These count what moves.
"""

from typing import Literal

import numpy as np
from ase import Atoms
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet
from scipy.special import exprel

# Fourth-order splitting of a time step, Yoshida, Phys. Lett. A 150, 262 (1990).
SUZUKI_YOSHIDA = (
    1 / (2 - 2 ** (1 / 3)),
    -(2 ** (1 / 3)) / (2 - 2 ** (1 / 3)),
    1 / (2 - 2 ** (1 / 3)),
)

CellMotion = Literal["isotropic", "anisotropic"]


class Chain:
    """A chain of thermostats on a kinetic energy K with n degrees of freedom.

    Q₀ dξ₀/dt = 2K − n kT − Q₀ ξ₀ ξ₁,    Q_j dξ_j/dt = Q_{j−1} ξ²_{j−1} − kT − Q_j ξ_j ξ_{j+1}

    and momenta are damped with the rate ξ₀; Q₀ = n kT τ², Q_j = kT τ². The conserved energy has the
    additional terms Σ Q_j ξ_j²/2 + n kT η₀ + kT Σ_{j>0} η_j with dη/dt = ξ.
    Martyna et al., Mol. Phys. 87, 1117 (1996), https://doi.org/10.1080/00268979600100761.
    """

    def __init__(self, n: int, kT: float, tau: float, length: int = 3) -> None:
        self.n, self.kT = n, kT
        self.masses = np.full(length, kT * tau**2)
        self.masses[0] *= n
        self.rates, self.positions = np.zeros(length), np.zeros(length)

    def damp(self, twice_kinetic: float, dt: float) -> float:
        """Move the chain by dt, and return the factor for the momenta."""
        factor = 1.0
        order = range(len(self.rates))
        for weight in SUZUKI_YOSHIDA:
            delta = weight * dt
            for j in reversed(order):
                self._push(j, factor**2 * twice_kinetic, delta / 2)
            self.positions += delta * self.rates
            factor *= np.exp(-delta * self.rates[0])
            for j in order:
                self._push(j, factor**2 * twice_kinetic, delta / 2)
        return float(factor)

    @property
    def energy(self) -> float:
        """What the chain adds to the conserved energy (eV)."""
        weights = np.full(len(self.rates), self.kT)
        weights[0] *= self.n
        return float(self.masses @ self.rates**2 / 2 + weights @ self.positions)

    def _push(self, j: int, twice_kinetic: float, dt: float) -> None:
        """The rate of thermostat j, driven by the one below and damped by the one above."""
        if j == 0:
            force = twice_kinetic - self.n * self.kT
        else:
            force = self.masses[j - 1] * self.rates[j - 1] ** 2 - self.kT
        above = np.exp(-dt / 2 * self.rates[j + 1]) if j + 1 < len(self.rates) else 1.0
        self.rates[j] = (self.rates[j] * above + dt * force / self.masses[j]) * above


class Verlet(VelocityVerlet):
    """Newton's equations: velocity Verlet, second order and time-reversible."""

    def conserved(self) -> float:
        """Potential and kinetic energy (eV)."""
        return _total_energy(self.atoms)


class Langevin(MolecularDynamics):
    """Newton's equations with friction γ and noise, in the splitting B A O A B.

    dp = F dt − γ p dt + √(2 γ m kT) dW. B is half a step of the forces, A half a step of the
    positions, O friction and noise together, solved exactly: averages over positions have an error
    of second order with a very small factor. All 3N degrees of freedom are thermal, the centre of
    mass too. Conserved is the energy less the heat that the bath has given.
    Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013), https://doi.org/10.1063/1.4802990.
    """

    def __init__(
        self, atoms: Atoms, timestep: float, kT: float, friction: float, rng: np.random.Generator
    ) -> None:
        super().__init__(atoms, timestep)
        self.kT, self.friction, self.rng = kT, friction, rng
        self.heat = 0.0

    def step(self) -> None:
        """One step."""
        atoms, dt = self.atoms, self.dt
        atoms.set_momenta(atoms.get_momenta() + dt / 2 * atoms.get_forces(md=True))
        self._drift(dt / 2)
        before = atoms.get_kinetic_energy()
        keep = np.exp(-self.friction * dt)
        noise = np.sqrt((1 - keep**2) * self.kT * self.masses) * self.rng.normal(
            size=(len(atoms), 3)
        )
        atoms.set_momenta(keep * atoms.get_momenta() + noise)
        self.heat += atoms.get_kinetic_energy() - before
        self._drift(dt / 2)
        atoms.set_momenta(atoms.get_momenta() + dt / 2 * atoms.get_forces(md=True))

    def conserved(self) -> float:
        """Potential and kinetic energy less the heat from the bath (eV)."""
        return _total_energy(self.atoms) - self.heat

    def _drift(self, dt: float) -> None:
        atoms = self.atoms
        atoms.set_positions(atoms.get_positions() + dt * atoms.get_momenta() / self.masses)


class NoseHoover(MolecularDynamics):
    """Newton's equations with a chain of thermostats: constant N, V and T.

    ``free`` is the number of thermal degrees of freedom, ``tau`` the time scale of the chain.
    """

    def __init__(self, atoms: Atoms, timestep: float, kT: float, tau: float, free: int) -> None:
        super().__init__(atoms, timestep)
        self.thermostat = Chain(free, kT, tau)

    def step(self) -> None:
        """One step."""
        atoms, dt = self.atoms, self.dt
        momenta = self._damped(atoms.get_momenta(), dt / 2) + dt / 2 * atoms.get_forces(md=True)
        atoms.set_positions(atoms.get_positions() + dt * momenta / self.masses)
        momenta = momenta + dt / 2 * atoms.get_forces(md=True)
        atoms.set_momenta(self._damped(momenta, dt / 2))

    def conserved(self) -> float:
        """Potential and kinetic energy and that of the thermostats (eV)."""
        return _total_energy(self.atoms) + self.thermostat.energy

    def _damped(self, momenta: np.ndarray, dt: float) -> np.ndarray:
        return momenta * self.thermostat.damp(float((momenta**2 / self.masses).sum()), dt)


class ConstantPressure(MolecularDynamics):
    """Martyna, Tobias and Klein: constant N, pressure and T, with a cell that moves.

    With the symmetric rate v at which the cell strains, n thermal degrees of freedom, W its mass:

    dr/dt = p/m + r v,    dp/dt = F − p (v + tr(v)/n) − ξ₀ p,    dh/dt = h v,
    W dv/dt = Σ p⊗p/m − V σ − V P + (2K/n) 1 − W ξ'₀ v,    W = (n + 3) kT τ²/3

    The isotropic cell keeps the trace of dv/dt only, so it has one degree of freedom; the
    anisotropic has six and does not rotate. Conserved are potential and kinetic energy, P V,
    W tr(v²)/2 and the energies of both chains.
    Martyna et al., J. Chem. Phys. 101, 4177 (1994), https://doi.org/10.1063/1.467468; the splitting
    is that of Tuckerman et al., J. Phys. A 39, 5629 (2006),
    https://doi.org/10.1088/0305-4470/39/19/S18.
    """

    def __init__(
        self,
        atoms: Atoms,
        timestep: float,
        kT: float,
        pressure: float,
        taus: tuple[float, float],
        free: int,
        cell_motion: CellMotion = "isotropic",
    ) -> None:
        super().__init__(atoms, timestep)
        self.pressure, self.free, self.isotropic = pressure, free, cell_motion == "isotropic"
        self.thermostat = Chain(free, kT, taus[0])
        self.barostat = Chain(1 if self.isotropic else 6, kT, taus[1])
        self.cell_mass = (free + 3) * kT * taus[1] ** 2 / 3
        self.strain_rate = np.zeros((3, 3))

    def step(self) -> None:
        """One step."""
        atoms, dt = self.atoms, self.dt
        momenta = atoms.get_momenta()
        self._damp_cell(dt / 2)
        momenta = momenta * self.thermostat.damp(self._twice_kinetic(momenta), dt / 2)
        self._push_cell(momenta, dt / 2)
        momenta = self._pushed(momenta, dt / 2)
        self._drift(momenta, dt)
        momenta = self._pushed(momenta, dt / 2)
        self._push_cell(momenta, dt / 2)
        momenta = momenta * self.thermostat.damp(self._twice_kinetic(momenta), dt / 2)
        self._damp_cell(dt / 2)
        atoms.set_momenta(momenta)

    def conserved(self) -> float:
        """The energy-like quantity of the extended system (eV)."""
        cell = self.pressure * self.atoms.get_volume() + self._twice_cell_kinetic() / 2
        chains = self.thermostat.energy + self.barostat.energy
        return _total_energy(self.atoms) + cell + chains

    def _twice_kinetic(self, momenta: np.ndarray) -> float:
        return float((momenta**2 / self.masses).sum())

    def _twice_cell_kinetic(self) -> float:
        return float(self.cell_mass * (self.strain_rate**2).sum())

    def _damp_cell(self, dt: float) -> None:
        self.strain_rate = self.strain_rate * self.barostat.damp(self._twice_cell_kinetic(), dt)

    def _push_cell(self, momenta: np.ndarray, dt: float) -> None:
        """The strain rate, driven by the difference between inner and outer pressure."""
        volume = self.atoms.get_volume()
        stress = self.atoms.get_stress(voigt=False)
        force = momenta.T @ (momenta / self.masses) - volume * stress
        inner = self._twice_kinetic(momenta) / self.free - volume * self.pressure
        force += inner * np.eye(3)
        if self.isotropic:
            force = np.trace(force) / 3 * np.eye(3)
        self.strain_rate = self.strain_rate + dt * force / self.cell_mass

    def _pushed(self, momenta: np.ndarray, dt: float) -> np.ndarray:
        """Momenta after dt under constant forces and strain rate, solved exactly."""
        rates, axes = np.linalg.eigh(self.strain_rate)
        x = -dt * (rates + rates.sum() / self.free)
        forces = self.atoms.get_forces(md=True)
        return (momenta @ axes * np.exp(x) + dt * (forces @ axes) * exprel(x)) @ axes.T

    def _drift(self, momenta: np.ndarray, dt: float) -> None:
        """Positions and cell after dt at constant momenta and strain rate, solved exactly."""
        rates, axes = np.linalg.eigh(self.strain_rate)
        x = dt * rates
        positions, velocities = self.atoms.positions @ axes, (momenta / self.masses) @ axes
        cell = (self.atoms.cell.array @ axes * np.exp(x)) @ axes.T
        self.atoms.set_cell(cell, scale_atoms=False)
        self.atoms.positions = (positions * np.exp(x) + dt * velocities * exprel(x)) @ axes.T


def _total_energy(atoms: Atoms) -> float:
    return float(atoms.get_potential_energy() + atoms.get_kinetic_energy())
