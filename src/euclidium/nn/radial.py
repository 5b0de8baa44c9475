"""Functions of distance: bases, envelopes and the radial network."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.nn.activation import Activation
from euclidium.nn.calibration import CORE
from euclidium.ops.spline_kernels import BLOCK
from euclidium.ops.splines import hermite_spline

# Number of distances at which averages over neighbours are evaluated.
QUADRATURE = 512


class RadialBasis(nn.Module, ABC):
    """A set of functions of the distance r (Å) on 0 … cutoff.

    Each is scaled so that its mean square over typical neighbours is of order one.
    """

    size: int
    cutoff: float

    @abstractmethod
    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge basis"]:
        """All functions at each distance."""


class BesselBasis(RadialBasis):
    """Spherical Bessel functions of degree zero.

    b_n(r) = √(2/3) c sin(n π r / c) / r,    n = 1 … size,   c = cutoff (Å)

    The factor gives each unit mean square over the whole cutoff sphere. With ``trainable`` the
    frequencies n π are parameters. The limit r → 0 is finite.

    Gasteiger et al., ICLR 2020, https://doi.org/10.48550/arXiv.2003.03123

    >>> BesselBasis(8, cutoff=5.0)(torch.tensor([0.0, 2.5])).shape
    torch.Size([2, 8])
    """

    def __init__(self, size: int, cutoff: float, trainable: bool = False) -> None:
        super().__init__()
        self.size, self.cutoff = size, cutoff
        roots = torch.arange(1, size + 1) * math.pi
        self.roots = nn.Parameter(roots) if trainable else None

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge basis"]:
        """All functions at each distance."""
        exact = torch.arange(1, self.size + 1, dtype=r.dtype, device=r.device) * math.pi
        frequencies = (exact if self.roots is None else self.roots) / self.cutoff
        r = r[:, None]
        apart = r > 1e-4 * self.cutoff
        safe = torch.where(apart, r, torch.full_like(r, self.cutoff))
        # sin(kr)/r = k (1 − (kr)²/6 + …) where the quotient would lose its digits
        kr = frequencies * r
        near = frequencies * (1 - kr.square() / 6)
        values = torch.where(apart, torch.sin(frequencies * safe) / safe, near)
        return math.sqrt(2 / 3) * self.cutoff * values


class GaussianBasis(RadialBasis):
    """Gaussians at equal distances, as wide as they are apart.

    b_n(r) ∝ exp(−(r − μ_n)² / 2σ²),   μ_n = n σ,   σ = c / (size − 1),   n = 0 … size − 1

    >>> GaussianBasis(6, cutoff=5.0)(torch.tensor([1.0])).shape
    torch.Size([1, 6])
    """

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        if size < 2:
            raise ValueError(f"a Gaussian basis needs at least 2 functions, got {size}")
        self.size, self.cutoff = size, cutoff
        self.factors = [1.0] * size
        self.factors = _unit_factors(self)

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge basis"]:
        """All functions at each distance."""
        steps = torch.arange(self.size, dtype=r.dtype, device=r.device)
        distance = r[:, None] * ((self.size - 1) / self.cutoff) - steps
        return r.new_tensor(self.factors) * torch.exp(-distance.square() / 2)


class ChebyshevBasis(RadialBasis):
    """Chebyshev polynomials of the first kind on 0 … cutoff.

    b_n(r) ∝ T_n(2 r / c − 1),   n = 0 … size − 1

    Drautz, Phys. Rev. B 99, 014104 (2019), https://doi.org/10.1103/PhysRevB.99.014104

    >>> ChebyshevBasis(6, cutoff=5.0)(torch.tensor([1.0])).shape
    torch.Size([1, 6])
    """

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        self.size, self.cutoff = size, cutoff
        self.factors = [1.0] * size
        self.factors = _unit_factors(self)

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge basis"]:
        """All functions at each distance."""
        t = 2 * r / self.cutoff - 1
        functions = [torch.ones_like(t), t]
        while len(functions) < self.size:
            functions.append(2 * t * functions[-1] - functions[-2])
        return r.new_tensor(self.factors) * torch.stack(functions[: self.size], dim=-1)


class Envelope(nn.Module, ABC):
    """A function that is 1 at r = 0 and reaches 0 at the cutoff with two derivatives."""

    cutoff: float

    @abstractmethod
    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, " edge"]:
        """The envelope at each distance; zero beyond the cutoff."""


class PolynomialEnvelope(Envelope):
    """The polynomial with three zero derivatives at the cutoff.

    u(x) = 1 − (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) − p(p+1)/2 x^(p+2),   x = r / cutoff

    Raises ``ValueError`` for p < 2.

    Gasteiger et al., ICLR 2020, https://doi.org/10.48550/arXiv.2003.03123

    >>> PolynomialEnvelope(5.0)(torch.tensor([0.0, 5.0, 7.0])).tolist()
    [1.0, 0.0, 0.0]
    """

    def __init__(self, cutoff: float, p: int = 6) -> None:
        super().__init__()
        if p < 2:
            raise ValueError(f"the polynomial envelope needs p of at least 2, got {p}")
        self.cutoff, self.p = cutoff, p

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, " edge"]:
        """The envelope at each distance; zero beyond the cutoff."""
        p, x = self.p, (r / self.cutoff).clamp(max=1.0)
        bracket = (p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x.square()
        values = 1 - _integer_power(x, p) * bracket
        return torch.where(r < self.cutoff, values, torch.zeros_like(values))


class CosineEnvelope(Envelope):
    """The squared cosine cutoff; the square makes it smooth to the third derivative.

    u(r) = ((1 + cos(π r / c)) / 2)²

    After Behler and Parrinello, Phys. Rev. Lett. 98, 146401 (2007), whose unsquared function has a
    jump in its second derivative. https://doi.org/10.1103/PhysRevLett.98.146401

    >>> CosineEnvelope(5.0)(torch.tensor([0.0, 2.5, 7.0]))
    tensor([1.0000, 0.2500, 0.0000])
    """

    def __init__(self, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, " edge"]:
        """The envelope at each distance; zero beyond the cutoff."""
        values = ((1 + torch.cos(math.pi * r / self.cutoff)) / 2).square()
        return torch.where(r < self.cutoff, values, torch.zeros_like(values))


class XPLOREnvelope(Envelope):
    """One up to ``onset``, then a switch in r² down to the cutoff.

    u = 1 − 10 t³ + 15 t⁴ − 6 t⁵,   t = (r² − a²) / (c² − a²),   a = onset, c = cutoff (Å)

    The switch of X-PLOR and CHARMM is the cubic 1 − 3 t² + 2 t³, whose second derivative jumps at
    both ends; the quintic has two continuous derivatives. Raises ``ValueError`` unless
    0 ≤ onset < cutoff.

    Brooks et al., J. Comput. Chem. 4, 187 (1983), https://doi.org/10.1002/jcc.540040211

    >>> XPLOREnvelope(5.0, onset=3.0)(torch.tensor([2.0, 4.123106, 6.0]))
    tensor([1.0000, 0.5000, 0.0000])
    """

    def __init__(self, cutoff: float, onset: float) -> None:
        super().__init__()
        if not 0 <= onset < cutoff:
            raise ValueError(f"the onset lies between 0 and the cutoff {cutoff} Å, got {onset} Å")
        self.cutoff, self.onset = cutoff, onset

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, " edge"]:
        """The envelope at each distance; zero beyond the cutoff."""
        t = (r.square() - self.onset**2) / (self.cutoff**2 - self.onset**2)
        t = t.clamp(0.0, 1.0)
        return 1 - t * t * t * (10 - 15 * t + 6 * t.square())


class Enveloped(RadialBasis):
    """Any basis, brought smoothly to zero at the cutoff.

    The product is scaled so that the mean square over functions and over neighbours (see
    ``sphere_quadrature``) is one.

    >>> basis = Enveloped(BesselBasis(8, 5.0), PolynomialEnvelope(5.0))
    >>> basis(torch.tensor([5.0])).abs().max().item()
    0.0
    """

    def __init__(self, basis: RadialBasis, envelope: Envelope) -> None:
        super().__init__()
        self.basis, self.envelope = basis, envelope
        self.size, self.cutoff = basis.size, envelope.cutoff
        self.factor = 1.0
        r, share = sphere_quadrature(self.cutoff)
        with torch.no_grad():
            square = self(r).square()
        self.factor = float((share @ square.mean(-1)) ** -0.5)

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge basis"]:
        """All functions at each distance."""
        return self.factor * self.basis(r) * self.envelope(r)[:, None]


class RadialNetwork(nn.Module):
    """A multilayer perceptron from the radial basis to the weights of a product.

    Without biases, so that what is zero at the cutoff stays zero, as smoothly. At the start each
    output has mean zero and mean square one over neighbours that fill the cutoff sphere evenly
    outside a core of 0.3 cutoff, so that messages add up like independent numbers.

    With ``knots`` the outputs are cubic splines through the network at that many equal intervals of
    0 … cutoff: the network is evaluated at the knots, however many distances there are. The splines
    have two continuous derivatives, also at the cutoff, where they vanish with both, and the
    parameters learn through them. At the start, with 8 Bessel functions, they differ from the
    network (``exact``) by 2·10⁻⁴ of the largest value beyond 0.3 cutoff at 256 knots, and by
    2·10⁻⁵ at 512. Raises ``ValueError`` for fewer than 8 knots.

    >>> network = RadialNetwork(Enveloped(BesselBasis(8, 5.0), PolynomialEnvelope(5.0)), [64], 96)
    >>> network(torch.tensor([1.0, 5.0])).shape
    torch.Size([2, 96])
    """

    at_knots: Tensor | None

    def __init__(
        self,
        basis: RadialBasis,
        hidden: Sequence[int],
        n_weights: int,
        activation: str = "silu",
        knots: int | None = None,
    ) -> None:
        super().__init__()
        if knots is not None and knots < 8:
            raise ValueError(f"splines need at least 8 knots, got {knots}")
        self.basis, self.knots, self.n_weights = basis, knots, n_weights
        self.activation = Activation(activation)
        sizes = [basis.size, *hidden, n_weights]
        self.matrices = nn.ParameterList(
            torch.randn(n, m) / math.sqrt(n) for n, m in pairwise(sizes)
        )
        self._calibrate()
        self._make_constants()

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge weight"]:
        """The weights at each distance."""
        if self.knots is None:
            return self.exact(r)
        # splines show every step of a table in half precision, and the network costs little here
        with torch.autocast(r.device.type, enabled=False):
            r = r.to(self.matrices[-1].dtype)
            return hermite_spline(r, self.table(), self.spacing, self.n_weights)

    def exact(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge weight"]:
        """The network itself at each distance."""
        return self.hidden(r) @ self.matrices[-1]

    def hidden(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge hidden"]:
        """The input of the last linear map of the network."""
        return self._layers(self.basis(r))

    @property
    def spacing(self) -> float:
        """From knot to knot, Å."""
        return self.basis.cutoff / self.knots if self.knots else 0.0

    def table(self) -> Float[Tensor, "block knot 1 lane"]:
        """The splines, as ``ops.hermite_spline`` takes them."""
        at_knots = self.at_knots
        if at_knots is None:
            at_knots = self._basis_at_knots(self.matrices[0])
        # three zeros at the end, as splines that end at the cutoff need, and three beyond it; the
        # last layer makes the blocks of the table
        hidden = nn.functional.pad(self._layers(at_knots), (0, 0, 0, 6))
        matrix = nn.functional.pad(self.matrices[-1], (0, -self.n_weights % BLOCK))
        return (hidden @ matrix.unflatten(1, (-1, BLOCK)).movedim(1, 0)).unsqueeze(2)

    def _layers(self, h: Tensor) -> Tensor:
        for matrix in list(self.matrices)[:-1]:
            h = self.activation(h @ matrix)
        return h

    def _basis_at_knots(self, like: Tensor) -> Tensor:
        """The basis at −2h, −h, 0 … , without the last three knots, where it counts as zero."""
        assert self.knots is not None, "there are splines"
        steps = torch.arange(-2, self.knots - 2, dtype=like.dtype, device=like.device)
        return self.basis(steps * self.spacing)

    def _make_constants(self) -> None:
        """The basis at the knots, unless it is learned."""
        if self.knots is None:
            return
        like, fixed = self.matrices[0], not any(True for _ in self.basis.parameters())
        at_knots = self._basis_at_knots(like.double()).to(like) if fixed else None
        self.register_buffer("at_knots", at_knots, persistent=False)

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> "RadialNetwork":
        """Move or convert, and make the constants anew: a float32 constant is no float64 one."""
        super()._apply(function, recurse)
        self._make_constants()
        return self

    @torch.no_grad()
    def _calibrate(self) -> None:
        """Take the mean out of the last matrix and scale its outputs to unit mean square."""
        r, share = sphere_quadrature(self.basis.cutoff)
        matrix = self.matrices[-1]
        hidden = self.hidden(r.to(matrix)).double()
        mean = share @ hidden
        weights = matrix.double()
        weights = weights - torch.outer(mean, mean @ weights) / (mean @ mean)
        matrix.copy_(weights / (share @ (hidden @ weights).square()).sqrt())


def sphere_quadrature(
    cutoff: float,
) -> tuple[Float[Tensor, " radius"], Float[Tensor, " radius"]]:
    """Distances (Å), and the share of the neighbours at each.

    Neighbours fill the cutoff sphere evenly outside a core of 0.3 cutoff.

    >>> r, share = sphere_quadrature(5.0)
    >>> round(float(share.sum()), 12), float(r[share > 0].min()) > 1.5
    (1.0, True)
    """
    r = (torch.arange(QUADRATURE, dtype=torch.float64) + 0.5) * cutoff / QUADRATURE
    share = torch.where(r > CORE * cutoff, r.square(), torch.zeros_like(r))
    return r, share / share.sum()


@torch.no_grad()
def _unit_factors(basis: RadialBasis) -> list[float]:
    """The factors that give each function unit mean square over the sphere."""
    r, share = sphere_quadrature(basis.cutoff)
    return (share @ basis(r).square()).rsqrt().tolist()


def _integer_power(x: Tensor, n: int) -> Tensor:
    # repeated multiplication, because derivatives of x**n at zero can be nan
    result = x
    for _ in range(n - 1):
        result = result * x
    return result
