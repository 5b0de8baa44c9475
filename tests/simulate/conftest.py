"""Models whose physics is known: what simulations are tested with."""

import pytest
import torch
from torch import nn

from euclidium.models.potential import Prediction
from euclidium.ops.segments import segment_sum


class PairPotential(nn.Module):
    """E = 1/2 Σ_ij φ(r_ij), with the contract of a potential; float64."""

    def __init__(self, cutoff, species=(18,)):
        super().__init__()
        self.cutoff, self.species = cutoff, species

    def phi(self, r):
        raise NotImplementedError

    def forward(self, graph, forces=True, stress=False):
        unknown = set(graph.species.tolist()) - set(self.species)
        if unknown:
            raise ValueError(f"the potential does not know {sorted(unknown)}")
        positions = graph.positions.detach().requires_grad_()
        strain = torch.zeros_like(graph.cell, requires_grad=True)
        with torch.enable_grad():
            vectors = graph.edge_vectors(positions)
            of_edge = ((strain + strain.mT) / 2)[graph.structure[graph.edges.receivers]]
            vectors = vectors + (vectors.unsqueeze(1) @ of_edge).squeeze(1)
            phi = self.phi(vectors.norm(dim=1)) / 2
            energies = segment_sum(phi, graph.edges.receivers, graph.n_atoms)
            energy = segment_sum(energies, graph.structure, graph.n_structures)
            if graph.n_edges:
                d_r, d_strain = torch.autograd.grad(energy.sum(), (positions, strain))
            else:
                d_r, d_strain = torch.zeros_like(positions), torch.zeros_like(strain)
        volume = torch.linalg.det(graph.cell).abs()[:, None, None]
        return Prediction(
            energy.detach(), energies.detach(), -d_r, d_strain / volume if stress else None
        )


class LennardJones(PairPotential):
    """Argon: 4ε((σ/r)¹² − (σ/r)⁶), brought to zero at the cutoff with two derivatives."""

    epsilon, sigma = 0.0104, 3.4  # eV, Å

    def __init__(self, cutoff=6.0):
        super().__init__(cutoff)

    def phi(self, r):
        x = (r / self.cutoff).clamp(max=1.0)
        envelope = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
        six = (self.sigma / r) ** 6
        return 4 * self.epsilon * (six**2 - six) * envelope


class Springs(PairPotential):
    """Springs of stiffness k and rest length r0 between neighbours nearer than the cutoff."""

    def __init__(self, k, r0, cutoff, species=(18,)):
        super().__init__(cutoff, species)
        self.k, self.r0 = k, r0

    def phi(self, r):
        return self.k / 2 * (r - self.r0) ** 2


class IdealGas(PairPotential):
    """No forces at all."""

    def __init__(self):
        super().__init__(cutoff=1.0)

    def phi(self, r):
        return 0 * r


@pytest.fixture(scope="session")
def lennard_jones():
    """Argon."""
    return LennardJones()


@pytest.fixture(scope="session")
def springs():
    """A function that makes springs of stiffness k, rest length r0 and a cutoff."""
    return Springs


@pytest.fixture(scope="session")
def ideal_gas():
    """Atoms that do not see each other."""
    return IdealGas()
