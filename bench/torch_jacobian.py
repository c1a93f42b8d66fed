"""A Jacobian with PyTorch. Prints a line of JSON.

    python torch_jacobian.py TASK    # as JSON, what lib/protocol.ts says
"""

import json
import math
import sys

import torch
from torch.func import functional_call, jacrev, vmap

from measuring import measure

nn = torch.nn


def attention(p, x):
    query, key, value = (x @ p[name] for name in ("query", "key", "value"))
    scores = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(24), -1)
    return scores @ value


def net(name):
    """Parameters, a function of them and of a batch, and the shape of an example."""
    if name == "attention":
        return {key: torch.randn(24, 24) / math.sqrt(24) for key in ("query", "key", "value")}, attention, (16, 24)
    if name == "mlp":
        module = nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )
        shape = (784,)
    else:
        module = nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3),
            nn.Flatten(), nn.Linear(21632, 10),
        )  # fmt: skip
        shape = (3, 32, 32)
    parameters = {key: value.detach() for key, value in module.named_parameters()}
    return parameters, lambda p, x: functional_call(module, p, (x,)), shape


def vectorised(parameters, f, x):
    of_one = lambda p, x: f(p, x.unsqueeze(0)).squeeze(0)
    return vmap(jacrev(of_one), (None, 0))(parameters, x)


def loop(parameters, f, x):
    """One call of autograd.grad for each output of each example, into arrays that are there already."""
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    result = None
    for n in range(x.shape[0]):
        y = f(leaves, x[n : n + 1])[0]
        flat = y.flatten()
        if result is None:
            result = {
                name: torch.empty(x.shape[0], flat.numel(), *value.shape) for name, value in parameters.items()
            }
        for o in range(flat.numel()):
            rows = torch.autograd.grad(flat[o], tuple(leaves.values()), retain_graph=True)
            for block, row in zip(result.values(), rows):
                block[n, o] = row
    return result


def main(task):
    torch.set_num_threads(task["threads"])
    method = {"vmap(jacrev)": vectorised, "autograd.grad loop": loop}[task["method"]]
    parameters, f, shape = net(task["case"])
    x = torch.randn(task["batch"], *shape)
    # Modules that PyTorch loads at the first use are no memory of this Jacobian
    tiny = nn.Linear(2, 2)
    method(
        {name: value.detach() for name, value in tiny.named_parameters()},
        lambda p, x: functional_call(tiny, p, (x,)),
        torch.randn(2, 2),
    )
    # The blocks are garbage when the count has been made
    compute = lambda: sum(block.numel() for block in method(parameters, f, x).values())
    print(json.dumps(measure(compute, lambda elements: {"elements": elements}, task["repeat"])))


main(json.loads(sys.argv[1]))
