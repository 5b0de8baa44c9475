"""Models: backbones, what they predict, and the file they live in."""

from euclidium.models.compiled import compile_radial as compile_radial
from euclidium.models.compiled import freeze as freeze
from euclidium.models.config import NequIPConfig as NequIPConfig
from euclidium.models.config import PotentialConfig as PotentialConfig
from euclidium.models.config import RadialConfig as RadialConfig
from euclidium.models.nequip import NequIP as NequIP
from euclidium.models.potential import Potential as Potential
from euclidium.models.potential import Prediction as Prediction
from euclidium.models.storage import ModelFileError as ModelFileError
from euclidium.models.storage import describe as describe
from euclidium.models.storage import load as load
from euclidium.models.storage import save as save

__all__ = [
    "ModelFileError",
    "NequIP",
    "NequIPConfig",
    "Potential",
    "PotentialConfig",
    "Prediction",
    "RadialConfig",
    "compile_radial",
    "describe",
    "freeze",
    "load",
    "save",
]
