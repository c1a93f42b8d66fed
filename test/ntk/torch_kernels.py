"""Kernels of the networks of ../jacobian/nets.ts, of tied-net.ts and of the tutorial's CNN, from torch.func's Jacobians.

    python torch_kernels.py weights-and-inputs.npz kernels.npz
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from kernel_files import write_kernels

sys.path.append(str(Path(__file__).parents[1] / "jacobian"))
import torch_nets as nets  # noqa: E402


def tied(p, ids):
    embedded = F.embedding(ids, p["words"])
    hidden = torch.tanh(embedded @ p["mixing"])
    return F.linear(hidden, p["words"]).mean(1)


def tutorial(p, x):
    """As PyTorch's tutorial writes it; weights in the order of the layers."""
    kernels = [nets.filters(value) if value.ndim == 4 else value for value in p.values() if value.ndim > 1]
    biases = [value for value in p.values() if value.ndim == 1]
    y = nets.channels_first(x)
    y = torch.relu(F.conv2d(y, kernels[0], biases[0]))
    y = torch.relu(F.conv2d(y, kernels[1], biases[1]))
    y = F.conv2d(y, kernels[2], biases[2])
    return nets.channels_last(y).flatten(1) @ kernels[3] + biases[3]


def jacobians(f, parameters, fixed, inputs):
    parameters, fixed = ({name: torch.from_numpy(array) for name, array in each.items()} for each in (parameters, fixed))
    # The kernel of LSTM layers has no batching rule
    differentiate = nets.one_by_one if f is nets.lstm else nets.vectorised
    blocks = differentiate(lambda p, *x: f({**p, **fixed}, *x), parameters, [torch.from_numpy(x) for x in inputs])
    return {name: block.detach().numpy() for name, block in blocks.items()}


if __name__ == "__main__":
    of_nets = (nets.mlp, nets.cnn, nets.padded, nets.residual, nets.lstm, nets.gru, nets.shared, nets.grouped)
    write_kernels((*of_nets, nets.attention, tied, tutorial), jacobians, *sys.argv[1:])
