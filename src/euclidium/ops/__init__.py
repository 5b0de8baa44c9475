"""Equivariant operations on tensors: what to compute (plans) and how (backends)."""

from euclidium.ops.dispatch import BACKENDS as BACKENDS
from euclidium.ops.dispatch import Backend as Backend
from euclidium.ops.dispatch import BackendStatus as BackendStatus
from euclidium.ops.dispatch import available_backends as available_backends
from euclidium.ops.dispatch import choose_backend as choose_backend
from euclidium.ops.dispatch import convolution as convolution
from euclidium.ops.dispatch import radial_convolution as radial_convolution
from euclidium.ops.dispatch import tensor_product as tensor_product
from euclidium.ops.gaussians import coulomb_blocks as coulomb_blocks
from euclidium.ops.gaussians import overlap_blocks as overlap_blocks
from euclidium.ops.harmonics import lengths as lengths
from euclidium.ops.harmonics import spherical_harmonics as spherical_harmonics
from euclidium.ops.harmonics import unit_vectors as unit_vectors
from euclidium.ops.layout import from_e3nn as from_e3nn
from euclidium.ops.layout import to_e3nn as to_e3nn
from euclidium.ops.plan import Coupling as Coupling
from euclidium.ops.plan import Path as Path
from euclidium.ops.plan import TensorProductPlan as TensorProductPlan
from euclidium.ops.reference import contraction as contraction
from euclidium.ops.reference import split_blocks as split_blocks
from euclidium.ops.segments import Edges as Edges
from euclidium.ops.segments import segment_sum as segment_sum

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendStatus",
    "Coupling",
    "Edges",
    "Path",
    "TensorProductPlan",
    "available_backends",
    "choose_backend",
    "contraction",
    "convolution",
    "coulomb_blocks",
    "from_e3nn",
    "lengths",
    "overlap_blocks",
    "radial_convolution",
    "segment_sum",
    "spherical_harmonics",
    "split_blocks",
    "tensor_product",
    "to_e3nn",
    "unit_vectors",
]
