"""The algebra of O(3), exact, in NumPy float64: irreps, rotations, couplings, harmonics."""

from euclidium.o3.cartesian import CartesianTensor as CartesianTensor
from euclidium.o3.convention import CONVENTION as CONVENTION
from euclidium.o3.convention import from_e3nn_permutation as from_e3nn_permutation
from euclidium.o3.convention import to_e3nn_permutation as to_e3nn_permutation
from euclidium.o3.coupling import wigner_3j as wigner_3j
from euclidium.o3.harmonics import Recurrence as Recurrence
from euclidium.o3.harmonics import recurrence as recurrence
from euclidium.o3.harmonics import spherical_harmonics as spherical_harmonics
from euclidium.o3.irreps import Block as Block
from euclidium.o3.irreps import Irrep as Irrep
from euclidium.o3.irreps import Irreps as Irreps
from euclidium.o3.reduced import ReducedTensorProducts as ReducedTensorProducts
from euclidium.o3.rotations import angles_to_axis_angle as angles_to_axis_angle
from euclidium.o3.rotations import angles_to_matrix as angles_to_matrix
from euclidium.o3.rotations import angles_to_quaternion as angles_to_quaternion
from euclidium.o3.rotations import angles_to_xyz as angles_to_xyz
from euclidium.o3.rotations import axis_angle_to_angles as axis_angle_to_angles
from euclidium.o3.rotations import axis_angle_to_matrix as axis_angle_to_matrix
from euclidium.o3.rotations import axis_angle_to_quaternion as axis_angle_to_quaternion
from euclidium.o3.rotations import compose_angles as compose_angles
from euclidium.o3.rotations import compose_axis_angle as compose_axis_angle
from euclidium.o3.rotations import compose_quaternion as compose_quaternion
from euclidium.o3.rotations import identity_angles as identity_angles
from euclidium.o3.rotations import identity_quaternion as identity_quaternion
from euclidium.o3.rotations import inverse_angles as inverse_angles
from euclidium.o3.rotations import inverse_quaternion as inverse_quaternion
from euclidium.o3.rotations import matrix_to_angles as matrix_to_angles
from euclidium.o3.rotations import matrix_to_axis_angle as matrix_to_axis_angle
from euclidium.o3.rotations import matrix_to_quaternion as matrix_to_quaternion
from euclidium.o3.rotations import matrix_x as matrix_x
from euclidium.o3.rotations import matrix_y as matrix_y
from euclidium.o3.rotations import matrix_z as matrix_z
from euclidium.o3.rotations import quaternion_to_angles as quaternion_to_angles
from euclidium.o3.rotations import quaternion_to_axis_angle as quaternion_to_axis_angle
from euclidium.o3.rotations import quaternion_to_matrix as quaternion_to_matrix
from euclidium.o3.rotations import rand_angles as rand_angles
from euclidium.o3.rotations import rand_axis_angle as rand_axis_angle
from euclidium.o3.rotations import rand_matrix as rand_matrix
from euclidium.o3.rotations import rand_quaternion as rand_quaternion
from euclidium.o3.rotations import xyz_to_angles as xyz_to_angles
from euclidium.o3.wigner import change_basis_real_to_complex as change_basis_real_to_complex
from euclidium.o3.wigner import generators as generators
from euclidium.o3.wigner import wigner_D as wigner_D

__all__ = [
    "CONVENTION",
    "Block",
    "CartesianTensor",
    "Irrep",
    "Irreps",
    "Recurrence",
    "ReducedTensorProducts",
    "angles_to_axis_angle",
    "angles_to_matrix",
    "angles_to_quaternion",
    "angles_to_xyz",
    "axis_angle_to_angles",
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "change_basis_real_to_complex",
    "compose_angles",
    "compose_axis_angle",
    "compose_quaternion",
    "from_e3nn_permutation",
    "generators",
    "identity_angles",
    "identity_quaternion",
    "inverse_angles",
    "inverse_quaternion",
    "matrix_to_angles",
    "matrix_to_axis_angle",
    "matrix_to_quaternion",
    "matrix_x",
    "matrix_y",
    "matrix_z",
    "quaternion_to_angles",
    "quaternion_to_axis_angle",
    "quaternion_to_matrix",
    "rand_angles",
    "rand_axis_angle",
    "rand_matrix",
    "rand_quaternion",
    "recurrence",
    "spherical_harmonics",
    "to_e3nn_permutation",
    "wigner_3j",
    "wigner_D",
    "xyz_to_angles",
]
