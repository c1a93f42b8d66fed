"""What the Jacobians of some networks hold at most in PyTorch: the sum of live storages, each rounded up to 512 bytes,
under fake tensors, so that nothing is computed.

    python torch_peaks.py nets.json

Reads {net: {"parameters": {name: shape}, "fixed": {name: shape}, "inputs": [[shape, dtype]]}} and prints
{net: {strategy: bytes}}.
"""

import json
import sys
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

# What is shared with other tests stands beside them
for folder in ("jacobian", "python"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
import torch_nets as nets
from storages import Storages


def dense_relu(p, x, names):
    for name in names[:-1]:
        x = torch.relu(nets.dense(p, name, x))
    return nets.dense(p, names[-1], x)


def mlp(p, x):
    return dense_relu(p, x, ["first", "second", "third"])


def tutorial(p, x):
    x = nets.channels_first(x)
    for name in ("one", "two"):
        x = torch.relu(torch.nn.functional.conv2d(x, nets.filters(p[name + "/kernel"]), p[name + "/bias"]))
    x = torch.nn.functional.conv2d(x, nets.filters(p["three/kernel"]), p["three/bias"])
    return nets.dense(p, "logits", nets.channels_last(x).flatten(1))


def wide_residual(p, x):
    """Its shortcuts are computed first, as TensorFlow.js does."""

    def conv(x, name, size, stride=1):
        filters = nets.filters(p[name + "_conv/kernel"])
        y = torch.nn.functional.conv2d(x, filters, stride=stride, padding=size // 2)
        mean, variance, gamma, beta = (
            p[f"{name}_norm/{key}"] for key in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return torch.nn.functional.batch_norm(y, mean, variance, gamma, beta, training=False, eps=1e-3)

    def block(x, name, stride):
        has_shortcut = name + "_shortcut_conv/kernel" in p
        shortcut = conv(x, name + "_shortcut", 1, stride) if has_shortcut else x
        inner = torch.relu(conv(x, name + "_a", 3, stride))
        return torch.relu(conv(inner, name + "_b", 3) + shortcut)

    x = torch.relu(conv(nets.channels_first(x), "stem", 3))
    for name, stride in (("wide_1", 1), ("half_1", 2), ("half_2", 1), ("quarter_1", 2), ("quarter_2", 1)):
        x = block(x, name, stride)
    return nets.dense(p, "logits", x.mean((2, 3)))


def peak(compute, arguments):
    with Storages(arguments) as storages:
        compute()
    return storages.peak


def main(file):
    results = {}
    dtypes = {"float32": torch.float32, "int32": torch.int64}
    own = {"wide_mlp": mlp, "tutorial": tutorial, "wide_residual": wide_residual}
    for net, given in json.load(open(file)).items():
        f = own.get(net) or getattr(nets, net)
        results[net] = {}
        for strategy in ("vmap(jacrev)", "jacrev"):
            with FakeTensorMode():
                p = {name: torch.empty(shape) for name, shape in given["parameters"].items()}
                fixed = {name: torch.empty(shape) for name, shape in given["fixed"].items()}
                inputs = [torch.empty(shape, dtype=dtypes[dtype]) for shape, dtype in given["inputs"]]
                g = lambda p, *x: f({**p, **fixed}, *x)
                compute = nets.vectorised if strategy == "vmap(jacrev)" else nets.whole_batch
                try:
                    results[net][strategy] = peak(
                        lambda: compute(g, p, inputs), [*p.values(), *fixed.values(), *inputs]
                    )
                except RuntimeError as error:
                    results[net][strategy] = str(error).split("\n")[0]
    print(json.dumps(results))


main(*sys.argv[1:])
