"""Units and physical constants, from CODATA through ``scipy.constants``.

Inside euclidium lengths are in Å, energies in eV, masses in amu, times in fs, temperatures in K,
forces in eV/Å, stresses in eV/Å³ (tension positive), frequencies in THz, charges in e. A name
alone is the size of that unit in ours: multiply to bring a number in, divide to bring it out. A
name ``A_TO_B`` multiplies a number in A.

>>> pressure = 10 * GPA  # 10 GPa in eV/Å³
>>> round(pressure / GPA, 12)
10.0
>>> round(10 * THZ_TO_CM1, 3), round(10 * THZ_TO_MEV, 3)  # phonon frequencies
(333.564, 41.357)

The joule-based constants are exact since the SI of 2019, so they do not depend on the version
of SciPy. The bohr, the hartree and the atomic mass unit are measured; between CODATA 2018 and
2022 they move in the tenth digit.
Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021), https://doi.org/10.1103/RevModPhys.93.025010.
"""

import math

from scipy import constants as si

__all__ = [
    "AMU",
    "AMU_ANGSTROM2_PER_FS2",
    "ANGSTROM",
    "ASE_TIME",
    "ATMOSPHERE",
    "AVOGADRO",
    "BAR",
    "BOHR",
    "BOHR_CUBED",
    "CM1_TO_MEV",
    "CM1_TO_THZ",
    "COULOMB",
    "DEBYE",
    "ELECTRON_MASS",
    "EV",
    "EV_TO_KJ_PER_MOL",
    "FS",
    "GAS_CONSTANT",
    "GPA",
    "HARTREE",
    "HARTREE_PER_BOHR",
    "HBAR",
    "JOULE",
    "KBAR",
    "KCAL_PER_MOL",
    "KILOGRAM",
    "KJ_PER_MOL",
    "K_B",
    "METER",
    "MEV",
    "MEV_TO_CM1",
    "MEV_TO_THZ",
    "NEWTON_PER_METER",
    "NM",
    "NS",
    "PASCAL",
    "PLANCK",
    "PS",
    "RYDBERG",
    "RYDBERG_PER_BOHR",
    "SECOND",
    "SPEED_OF_LIGHT",
    "SQRT_DYNAMICAL_TO_THZ",
    "THZ_TO_CM1",
    "THZ_TO_MEV",
]

# how much of ours is one SI unit
JOULE = 1 / si.elementary_charge  # eV
KILOGRAM = 1 / si.atomic_mass  # amu
METER = 1e10  # Å
SECOND = 1e15  # fs

# lengths (Å)
ANGSTROM = 1.0
NM = 10.0
BOHR = si.physical_constants["Bohr radius"][0] * METER

# energies (eV)
EV = 1.0
MEV = 1e-3
HARTREE = si.physical_constants["Hartree energy in eV"][0]
RYDBERG = HARTREE / 2
KJ_PER_MOL = 1e3 * JOULE / si.Avogadro
KCAL_PER_MOL = si.calorie * KJ_PER_MOL  # thermochemical calorie, 4.184 J

# masses (amu)
AMU = 1.0
ELECTRON_MASS = si.electron_mass * KILOGRAM

# times (fs)
FS = 1.0
PS = 1e3
NS = 1e6

# pressures, stresses and elastic constants (eV/Å³)
PASCAL = JOULE / METER**3
GPA = 1e9 * PASCAL
KBAR = 1e8 * PASCAL
BAR = 1e5 * PASCAL
ATMOSPHERE = si.atm * PASCAL

# forces and force constants
HARTREE_PER_BOHR = HARTREE / BOHR  # eV/Å
RYDBERG_PER_BOHR = RYDBERG / BOHR  # eV/Å
NEWTON_PER_METER = JOULE / METER**2  # eV/Å²

# electric moments (e Å), polarisabilities and densities
DEBYE = 1e-21 / si.speed_of_light * JOULE * METER
BOHR_CUBED = BOHR**3  # Å³
COULOMB = si.elementary_charge / (4 * math.pi * si.epsilon_0) * METER  # e²/4πε₀ in eV Å

# constants
AVOGADRO = si.Avogadro  # 1/mol
K_B = si.Boltzmann * JOULE  # eV/K
GAS_CONSTANT = si.gas_constant  # J/(K mol), of heat capacities and entropies
PLANCK = si.Planck * JOULE * SECOND  # h in eV fs
HBAR = PLANCK / (2 * math.pi)  # eV fs
SPEED_OF_LIGHT = si.speed_of_light * METER / SECOND  # Å/fs

# mechanics: kinetic energy in eV from amu and Å/fs; ASE's time unit in fs
AMU_ANGSTROM2_PER_FS2 = si.atomic_mass * JOULE * (SECOND / METER) ** 2  # eV
ASE_TIME = math.sqrt(AMU_ANGSTROM2_PER_FS2)  # Å √(amu/eV) in fs

# frequencies: multiply a number in the first unit to have it in the second
THZ_TO_CM1 = 1e12 / (100 * si.speed_of_light)
THZ_TO_MEV = 1e12 * si.Planck * JOULE * 1e3
CM1_TO_THZ = 1 / THZ_TO_CM1
CM1_TO_MEV = THZ_TO_MEV / THZ_TO_CM1
MEV_TO_THZ = 1 / THZ_TO_MEV
MEV_TO_CM1 = 1 / CM1_TO_MEV
# √(eigenvalue of a dynamical matrix in eV/Å²/amu) to THz
SQRT_DYNAMICAL_TO_THZ = 1e3 / (2 * math.pi * ASE_TIME)
# eV per formula unit, as phonon thermodynamics gives it per mole
EV_TO_KJ_PER_MOL = 1 / KJ_PER_MOL
