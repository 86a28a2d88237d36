"""How many candidates to compute as one: by shapes and the device alone, never by what is free."""

from __future__ import annotations

import torch
from torch import fx

from kshot_viz.evaluate.episode_cache import EpisodeInputs
from kshot_viz.evaluate.fast.split import TrainedPart
from kshot_viz.evaluate.fast.supported import can_batch
from kshot_viz.models.head import Head

# Candidates computed as one share the calls of a step, and on a CPU lose by it once what they
# compute no longer lies in the cache: measured best at 2 to 4 MB of activations each, and at most
# 64. A GPU has no such bound: half of its memory may be taken.
CACHE_BYTES, MOST = 16 * 2**20, 64
GPU_SHARE, MOST_ON_GPU = 0.5, 1024
# Values, their gradients and what lies between them; rows, their gradient, momentum, step sizes and
# shares, and the weights made of them.
ACTIVATION_COPIES, WEIGHT_COPIES = 4, 6


def chunk_size(
    tail: TrainedPart,
    inputs: EpisodeInputs,
    max_memory: int | None = None,
    *,
    zero_head: bool = True,
) -> int:
    """Return how many candidates to compute as one, a power of two.

    Parameters
    ----------
    tail : TrainedPart
    inputs : EpisodeInputs
    max_memory : int, optional
        Bytes that they may take together.
    zero_head : bool
        Whether their heads start at zero, which may train as a combination of their inputs.
    """
    if not can_batch(tail):
        return 1
    parameter = next(iter(inputs.backbone.module.parameters()))
    item, images = parameter.element_size(), len(inputs.support)
    activations = item * images * sum(_per_image(node) for node in tail.nodes)
    weights = item * sum(_trained(tail, node, images, zero_head) for node in tail.nodes)
    # Queries are scored in batches of twice the support.
    most = max(1, 2 * ACTIVATION_COPIES * activations + WEIGHT_COPIES * weights)
    on_gpu = gpu_bytes(torch.device(inputs.device or parameter.device))
    if on_gpu is None:
        fits = min(MOST, CACHE_BYTES // max(1, activations + weights))
    else:
        fits = min(MOST_ON_GPU, int(GPU_SHARE * on_gpu) // most)
    if max_memory is not None:
        fits = min(fits, max_memory // most)
    return 1 << (max(1, fits).bit_length() - 1)


def gpu_bytes(device: torch.device) -> int | None:
    """Return the memory of a CUDA device, all of it; None for any other device."""
    if device.type != "cuda":
        return None
    return torch.cuda.get_device_properties(device).total_memory


def _per_image(node: fx.Node) -> int:
    return torch.Size(node.meta["shape"][1:]).numel()


def _trained(tail: TrainedPart, node: fx.Node, images: int, zero_head: bool) -> int:
    """Return the entries that train in a call, at most: fewer where its input stays the same."""
    whole = sum(one.numel() for one in tail.graph.parameters(node))
    if not whole or node.all_input_nodes[0] not in tail.cut:
        return whole
    if not zero_head and node.op == "call_module" and isinstance(tail.graph.target(node), Head):
        return whole
    positions = images * torch.Size(node.meta["shape"][2:]).numel()
    return min(whole, node.meta["shape"][1] * positions)
