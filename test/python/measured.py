"""What PyTorch does on real tensors: how often it runs operations for the Jacobian of probed.Loops, and the most that it
holds for that of nets.Net.

    python measured.py EXAMPLES

Prints {strategy: {"counts": {operation: times}, "peakBytes": bytes}}.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import torch
from torch.func import functional_call, jacrev, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from storages import Storages

sys.path.insert(0, str(Path(__file__).parent / "nets"))
import nets
import probed


class Operations(TorchDispatchMode):
    """Counts operations by their names."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name
        self.counts[name] = self.counts.get(name, 0) + 1
        return function(*args, **(kwargs or {}))


def computations(net, x):
    """Of the Jacobian by each strategy, and the arrays that are there before."""
    parameters = {name: value.detach() for name, value in net.named_parameters()}
    buffers = {name: value.detach() for name, value in net.named_buffers()}
    f = lambda parameters, x: functional_call(net, {**parameters, **buffers}, (x,))
    one = lambda parameters, x: f(parameters, x.unsqueeze(0))
    return {
        "vmap(jacrev)": lambda: vmap(jacrev(one), (None, 0))(parameters, x),
        "jacrev": lambda: jacrev(lambda parameters: f(parameters, x))(parameters),
    }, [*parameters.values(), *buffers.values(), x]


def main(examples):
    warnings.filterwarnings("ignore")
    looped, _ = computations(probed.Loops().eval(), torch.randn(examples, 5, 4))
    plain, held = computations(nets.Net(4).eval(), torch.randn(examples, 3, 6, 6))
    told = {}
    for strategy in looped:
        with Operations() as operations, contextlib.redirect_stdout(sys.stderr):
            looped[strategy]()
        with Storages(held) as storages, contextlib.redirect_stdout(sys.stderr):
            plain[strategy]()
        told[strategy] = {"counts": operations.counts, "peakBytes": storages.peak}
    print(json.dumps(told))


main(int(sys.argv[1]))
