"""A neural tangent kernel with torch.func, as PyTorch's tutorial on them computes it. Prints a line of JSON.

    python torch_ntk.py TASK    # as JSON, the KernelTask of lib/protocol.ts

Its data's layouts, which are TensorFlow.js's, are turned into PyTorch's before anything is measured.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import jacrev, jvp, vjp, vmap

from measuring import measure


def mlp(p, x):
    *hidden, (weight, bias) = layers(p)
    for layer in hidden:
        x = F.relu(F.linear(x, *layer))
    return F.linear(x, weight, bias)


def cnn(p, x):
    first, second, third, last = layers(p)
    x = F.relu(F.conv2d(x, *first))
    x = F.relu(F.conv2d(x, *second))
    return F.linear(F.conv2d(x, *third).flatten(1), *last)


def residual(p, x):
    def conv(x, name, strides=1):
        weight = p[f"{name}_conv/kernel"]
        size = weight.shape[-1]
        # TensorFlow's padding "same": what is odd goes to the end
        y = F.conv2d(F.pad(x, (0, 1, 0, 1)) if strides == 2 and size == 3 else x, weight, None, strides,
                     size // 2 if strides == 1 else 0)  # fmt: skip
        mean, variance, gamma, beta = (
            p[f"{name}_norm/{key}"] for key in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(y, mean, variance, gamma, beta, eps=1e-3)

    def block(x, name, strides):
        y = conv(F.relu(conv(x, name + "_a", strides)), name + "_b")
        has_own = f"{name}_shortcut_conv/kernel" in p
        return F.relu(y + (conv(x, name + "_shortcut", strides) if has_own else x))

    x = F.relu(conv(x, "stem"))
    for name, strides in (("wide_1", 1), ("half_1", 2), ("half_2", 1), ("quarter_1", 2), ("quarter_2", 1)):
        x = block(x, name, strides)
    return F.linear(x.mean((2, 3)), p["logits/kernel"], p["logits/bias"])


def attention(p, x):
    query, key, value = (x @ p[name] for name in ("query", "key", "value"))
    scores = torch.softmax(query @ key.transpose(-1, -2) / p["temperature"], -1)
    # The tutorial's kernels are of outputs with one axis
    return (scores @ value).flatten(1)


def layers(p):
    """Weights and biases in the order of the layers."""
    values = list(p.values())
    return list(zip(values[::2], values[1::2]))


def turned(case, array):
    """In PyTorch's layout. Only attention multiplies with weights as they are."""
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2 and case == "cnn":
        # Flattened images are channels first here
        array = array.reshape(26, 26, 32, -1).transpose(3, 2, 0, 1).reshape(array.shape[1], -1)
    elif array.ndim == 2 and case != "attention":
        array = array.T
    return torch.from_numpy(np.ascontiguousarray(array))


def read(case, file):
    arrays = dict(np.load(file))
    of = lambda mark: {
        name[len(mark) :]: turned(case, array) for name, array in arrays.items() if name.startswith(mark)
    }
    examples = [arrays[name] for name in ("x1", "x2") if name in arrays]
    inputs = [x.transpose(0, 3, 1, 2) if x.ndim == 4 else x for x in examples]
    x1, x2 = (torch.from_numpy(np.ascontiguousarray(x)) for x in (inputs[0], inputs[-1]))
    return of("weight:"), of("buffer:"), x1, x2


def contraction(f, parameters, x1, x2, form):
    """The product of two Jacobians, for each parameter, and their sum."""
    jacobians = vmap(jacrev(f), (None, 0))
    first = [block.flatten(2) for block in jacobians(parameters, x1).values()]
    second = [block.flatten(2) for block in jacobians(parameters, x2).values()]
    equation = {"full": "Naf,Mbf->NMab", "trace": "Naf,Maf->NM"}[form]
    return torch.stack([torch.einsum(equation, a, b) for a, b in zip(first, second)]).sum(0)


def vector_products(f, parameters, x1, x2, form):
    """Each output's cotangent pulled back through one example and pushed forward through the other."""

    def of_pair(a, b):
        output, pull = vjp(lambda p: f(p, a), parameters)
        push = lambda tangents: jvp(lambda p: f(p, b), (parameters,), (tangents,))[1]
        return vmap(lambda row: push(pull(row)[0]))(torch.eye(output.numel()))

    kernel = vmap(vmap(of_pair, (None, 0)), (0, None))(x1, x2)
    return kernel if form == "full" else torch.einsum("NMKK->NM", kernel)


def main(task):
    torch.set_num_threads(task["threads"])
    compute = {"contraction": contraction, "vector-products": vector_products}[task["method"]]
    net = {"mlp": mlp, "cnn": cnn, "residual": residual, "attention": attention}[task["case"]]
    parameters, buffers, x1, x2 = read(task["case"], task["data"])
    of_one = lambda p, x: net({**p, **buffers}, x[None])[0]
    # Modules that PyTorch loads at the first use are no memory of this kernel
    compute(lambda p, x: x @ p["weight"], {"weight": torch.eye(2)}, torch.eye(2), torch.eye(2), "full")
    result = measure(
        lambda: compute(of_one, parameters, x1, x2, task["form"]),
        lambda kernel: {"elements": kernel.numel(), "checksum": kernel.abs().sum(dtype=torch.float64).item()},
        task["repeat"],
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
