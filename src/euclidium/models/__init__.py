"""Models: backbones, what they predict, and the file they live in."""

from euclidium.models.compiled import compile_radial as compile_radial
from euclidium.models.compiled import freeze as freeze
from euclidium.models.config import DensityConfig as DensityConfig
from euclidium.models.config import LongRangeConfig as LongRangeConfig
from euclidium.models.config import NequIPConfig as NequIPConfig
from euclidium.models.config import PotentialConfig as PotentialConfig
from euclidium.models.config import RadialConfig as RadialConfig
from euclidium.models.config import SpectrumConfig as SpectrumConfig
from euclidium.models.crystal import describe_crystal as describe_crystal
from euclidium.models.density import DensityModel as DensityModel
from euclidium.models.density import combine_densities as combine_densities
from euclidium.models.density_network import DensityPrediction as DensityPrediction
from euclidium.models.elements import ElementEmbedding as ElementEmbedding
from euclidium.models.elements import element_properties as element_properties
from euclidium.models.lattice import Lattice as Lattice
from euclidium.models.lattice import Vibrations as Vibrations
from euclidium.models.long_range import LongRange as LongRange
from euclidium.models.nequip import NequIP as NequIP
from euclidium.models.potential import Potential as Potential
from euclidium.models.potential import Prediction as Prediction
from euclidium.models.shipped import shipped as shipped
from euclidium.models.shipped import shipped_names as shipped_names
from euclidium.models.spectrum import Spectrum as Spectrum
from euclidium.models.spectrum import SpectrumPrediction as SpectrumPrediction
from euclidium.models.spectrum import SpectrumResult as SpectrumResult
from euclidium.models.spectrum import check_crystal as check_crystal
from euclidium.models.spectrum import combine as combine
from euclidium.models.storage import ModelFileError as ModelFileError
from euclidium.models.storage import describe as describe
from euclidium.models.storage import load as load
from euclidium.models.storage import save as save
from euclidium.models.trees import Tree as Tree
from euclidium.models.trees import Trees as Trees

__all__ = [
    "DensityConfig",
    "DensityModel",
    "DensityPrediction",
    "ElementEmbedding",
    "Lattice",
    "LongRange",
    "LongRangeConfig",
    "ModelFileError",
    "NequIP",
    "NequIPConfig",
    "Potential",
    "PotentialConfig",
    "Prediction",
    "RadialConfig",
    "Spectrum",
    "SpectrumConfig",
    "SpectrumPrediction",
    "SpectrumResult",
    "Tree",
    "Trees",
    "Vibrations",
    "check_crystal",
    "combine",
    "combine_densities",
    "compile_radial",
    "describe",
    "describe_crystal",
    "element_properties",
    "freeze",
    "load",
    "save",
    "shipped",
    "shipped_names",
]
