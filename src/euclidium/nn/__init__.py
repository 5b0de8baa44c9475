"""Layers: operations with parameters. They know tensors and edges, not atoms."""

from euclidium.nn.activation import ACTIVATIONS as ACTIVATIONS
from euclidium.nn.activation import Activation as Activation
from euclidium.nn.activation import ScalarActivation as ScalarActivation
from euclidium.nn.charges import ChargeField as ChargeField
from euclidium.nn.charges import ChargeFlow as ChargeFlow
from euclidium.nn.convolution import Convolution as Convolution
from euclidium.nn.exchange import from_e3nn_weights as from_e3nn_weights
from euclidium.nn.exchange import to_e3nn_weights as to_e3nn_weights
from euclidium.nn.gate import Gate as Gate
from euclidium.nn.linear import Linear as Linear
from euclidium.nn.norm import BatchNorm as BatchNorm
from euclidium.nn.norm import LayerNorm as LayerNorm
from euclidium.nn.product import FullyConnectedTensorProduct as FullyConnectedTensorProduct
from euclidium.nn.product import TensorProduct as TensorProduct
from euclidium.nn.radial import BesselBasis as BesselBasis
from euclidium.nn.radial import ChebyshevBasis as ChebyshevBasis
from euclidium.nn.radial import CosineEnvelope as CosineEnvelope
from euclidium.nn.radial import Envelope as Envelope
from euclidium.nn.radial import Enveloped as Enveloped
from euclidium.nn.radial import GaussianBasis as GaussianBasis
from euclidium.nn.radial import PolynomialEnvelope as PolynomialEnvelope
from euclidium.nn.radial import RadialBasis as RadialBasis
from euclidium.nn.radial import RadialNetwork as RadialNetwork
from euclidium.nn.radial import XPLOREnvelope as XPLOREnvelope
from euclidium.nn.tabulated import TabulatedRadial as TabulatedRadial

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "BatchNorm",
    "BesselBasis",
    "ChargeField",
    "ChargeFlow",
    "ChebyshevBasis",
    "Convolution",
    "CosineEnvelope",
    "Envelope",
    "Enveloped",
    "FullyConnectedTensorProduct",
    "Gate",
    "GaussianBasis",
    "LayerNorm",
    "Linear",
    "PolynomialEnvelope",
    "RadialBasis",
    "RadialNetwork",
    "ScalarActivation",
    "TabulatedRadial",
    "TensorProduct",
    "XPLOREnvelope",
    "from_e3nn_weights",
    "to_e3nn_weights",
]
