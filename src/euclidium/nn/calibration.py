"""A random arrangement of neighbours, on which initial weights are scaled to unit variance."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops.segments import Edges

# Atoms do not come closer than this fraction of the cutoff.
CORE = 0.3
# Smallest side of the periodic box in units of the cutoff: more than two, so that images do not
# overlap; and fewest atoms in it.
SMALLEST_BOX = 2.5
FEWEST_ATOMS = 64


def hard_spheres(
    cutoff: float, mean_neighbors: float, seed: int = 0
) -> tuple[Float[Tensor, "edge 3"], Edges]:
    """Edge vectors (Å) and edges of a periodic gas of hard spheres, random sequential addition.

    Its density is such that an atom has about ``mean_neighbors`` neighbours within ``cutoff`` (Å),
    its core 0.3 cutoff or what fits at that density. Equal seeds give equal gases.

    >>> vectors, edges = hard_spheres(5.0, 20.0)
    >>> 15 < edges.n_edges / edges.n_nodes < 25, bool((vectors.norm(dim=1) > 1.4).all())
    (True, True)
    """
    rng = np.random.default_rng(seed)
    density = mean_neighbors * 3 / (4 * np.pi)  # in units of the cutoff
    box = max(SMALLEST_BOX, (FEWEST_ATOMS / density) ** (1 / 3))
    n_atoms = round(density * box**3)
    # random sequential addition jams at a packing fraction of 0.38: stay below 0.2
    core = min(CORE, (8 * 0.2 / mean_neighbors) ** (1 / 3))
    points = np.empty((0, 3))
    while len(points) < n_atoms:
        point = rng.random(3) * box
        if (np.linalg.norm(_nearest_image(points - point, box), axis=-1) > core).all():
            points = np.vstack([points, point])
    vectors = _nearest_image(points[None] - points[:, None], box)
    distances = np.linalg.norm(vectors, axis=-1)
    receivers, senders = np.nonzero((distances < 1) & ~np.eye(n_atoms, dtype=bool))
    edges = Edges.from_receivers(
        torch.from_numpy(senders), torch.from_numpy(receivers), n_nodes=n_atoms
    )
    return torch.from_numpy(vectors[receivers, senders] * cutoff), edges


def _nearest_image(vectors: np.ndarray, box: float) -> np.ndarray:
    return vectors - box * np.round(vectors / box)
