"""Models made ready for many evaluations."""

import copy
from collections.abc import Callable
from typing import TypeVar

from torch import nn

from euclidium.nn.radial import RadialNetwork
from euclidium.nn.tabulated import TabulatedRadial

Model = TypeVar("Model", bound=nn.Module)


def compile_radial(model: Model, tolerance: float = 1e-5) -> Model:
    """A copy of a model for inference, with tables in place of its radial networks.

    Radial weights depend on one number, the distance, so that a spline gives what a network gives,
    several times faster. See ``euclidium.nn.TabulatedRadial`` for what ``tolerance`` bounds.
    Forces and stress are exactly the derivatives of the energy of the copy, and symmetry is not
    touched: all that changes is the numbers w(r).

    The copy is in evaluation mode without gradients of its parameters. It cannot be trained or
    saved: do that with the model. Convert the model to its type before, as tables are made for it.

    Raises ``ValueError`` for a model without radial networks, and for a tolerance that cannot be
    met.

    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> fast = compile_radial(Potential(config), tolerance=1e-3)
    >>> type(fast.backbone.layers[0].convolution.radial).__name__
    'TabulatedRadial'
    """
    own = copy.deepcopy(model).eval().requires_grad_(False)
    if not _tabulate(own, lambda network: TabulatedRadial(network, tolerance)):
        raise ValueError(f"{type(model).__name__} has no radial network that could be tabulated")
    return own


def freeze(model: Model) -> Model:
    """A copy of a model for inference that gives the same numbers.

    In evaluation mode, without gradients of its parameters, and with what depends on parameters
    alone computed once: the splines of radial networks that have knots. Like the copy that
    ``compile_radial`` makes it cannot be trained or saved.

    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> type(freeze(Potential(config)).backbone.layers[0].convolution.radial).__name__
    'TabulatedRadial'
    """
    own = copy.deepcopy(model).eval().requires_grad_(False)
    _tabulate(own, lambda network: network if network.knots is None else TabulatedRadial(network))
    return own


def _tabulate(model: nn.Module, make: Callable[[RadialNetwork], nn.Module]) -> int:
    """Put something in the place of each radial network; returns how many there are."""
    made: dict[nn.Module, nn.Module] = {}
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, RadialNetwork):
                if child not in made:
                    made[child] = make(child)
                setattr(parent, name, made[child])
    return len(made)
