"""A neural tangent kernel with JAX under jit. Prints a line of JSON.

    python jax_ntk.py TASK    # as JSON, the KernelTask of lib/protocol.ts

Its data's layouts, which are TensorFlow.js's, JAX can take as they are.
"""

import json
import os
import sys

if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        # XLA takes as many threads as it has cores, and has no other setting
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["threads"]])

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402

from measuring import measure  # noqa: E402


def conv(x, kernel, strides=1, padding="VALID"):
    return lax.conv_general_dilated(
        x, kernel, (strides, strides), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def mlp(p, x):
    *hidden, (weight, bias) = layers(p)
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return x @ weight + bias


def cnn(p, x):
    first, second, third, (weight, bias) = layers(p)
    x = jax.nn.relu(conv(x, first[0]) + first[1])
    x = jax.nn.relu(conv(x, second[0]) + second[1])
    x = conv(x, third[0]) + third[1]
    return x.reshape(len(x), -1) @ weight + bias


def residual(p, x):
    def normalised(x, name, strides=1):
        mean, variance, gamma, beta = (
            p[f"{name}_norm/{key}"] for key in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        y = conv(x, p[f"{name}_conv/kernel"], strides, "SAME")
        return (y - mean) / jnp.sqrt(variance + 1e-3) * gamma + beta

    def block(x, name, strides):
        y = normalised(jax.nn.relu(normalised(x, name + "_a", strides)), name + "_b")
        has_own = f"{name}_shortcut_conv/kernel" in p
        return jax.nn.relu(y + (normalised(x, name + "_shortcut", strides) if has_own else x))

    x = jax.nn.relu(normalised(x, "stem"))
    for name, strides in (("wide_1", 1), ("half_1", 2), ("half_2", 1), ("quarter_1", 2), ("quarter_2", 1)):
        x = block(x, name, strides)
    return x.mean((1, 2)) @ p["logits/kernel"] + p["logits/bias"]


def attention(p, x):
    query, key, value = (x @ p[name] for name in ("query", "key", "value"))
    scores = jax.nn.softmax(query @ key.swapaxes(-1, -2) / p["temperature"], -1)
    return (scores @ value).reshape(len(x), -1)


def layers(p):
    """Weights and biases in the order of the layers, which is that of their names: they end in a number."""
    names = sorted({name.split("/")[0] for name in p})
    return [(p[name + "/kernel"], p[name + "/bias"]) for name in names]


def contraction(net, parameters, buffers, x1, x2, form):
    """The product of two Jacobians, for each parameter, and their sum."""
    of_one = lambda p, x: net({**p, **buffers}, x[None])[0]
    jacobians = jax.vmap(jax.jacrev(of_one), (None, 0))
    first = jacobians(parameters, x1)
    second = first if x2 is None else jacobians(parameters, x2)
    equation = {"full": "naf,mbf->nmab", "trace": "naf,maf->nm"}[form]
    flat = lambda block: block.reshape(*block.shape[:2], -1)
    return sum(jnp.einsum(equation, flat(first[name]), flat(second[name])) for name in first)


def structured(net, parameters, buffers, x1, x2, form):
    """For each dense layer, the product of what it is given (and 1, for its bias) and that of its outputs' cotangents."""
    weights = layers(parameters)

    def parts(x):
        def forward(added):
            """Outputs, and what each layer is given, with something added to each layer's output."""
            y, given = x, []
            for index, ((weight, bias), more) in enumerate(zip(weights, added)):
                given.append(y)
                y = y @ weight + bias + more
                y = jax.nn.relu(y) if index < len(weights) - 1 else y
            return y, given

        nothing = [jnp.zeros((len(x), len(bias))) for _, bias in weights]
        outputs, pull, given = jax.vjp(forward, nothing, has_aux=True)
        cotangents = jnp.broadcast_to(jnp.eye(outputs.shape[1])[:, None], (outputs.shape[1], *outputs.shape))
        return given, jax.vmap(pull)(cotangents)[0]

    first = parts(x1)
    second = first if x2 is None else parts(x2)
    total = 0
    for given1, given2, pulled1, pulled2 in zip(first[0], second[0], first[1], second[1]):
        products = given1 @ given2.T + 1
        if form == "full":
            total += jnp.einsum("anh,bmh->nmab", pulled1, pulled2) * products[:, :, None, None]
        else:
            total += jnp.einsum("anh,amh->nm", pulled1, pulled2) * products
    return total


def main(task):
    jax.config.update("jax_platforms", "cpu")
    net = {"mlp": mlp, "cnn": cnn, "residual": residual, "attention": attention}[task["case"]]
    arrays = dict(np.load(task["data"]))
    of = lambda mark: {
        name[len(mark) :]: jnp.asarray(array) for name, array in arrays.items() if name.startswith(mark)
    }
    parameters, buffers = of("weight:"), of("buffer:")
    x1, x2 = (jnp.asarray(arrays[name]) if name in arrays else None for name in ("x1", "x2"))
    method = {"contraction": contraction, "structured": structured}[task["method"]]
    kernel = jax.jit(lambda p, b, x1, x2: method(net, p, b, x1, x2, task["form"]))
    # The compiler itself, and the libraries that it loads at the first use, are no memory of this kernel
    jax.jit(lambda x: x @ x)(jnp.eye(2)).block_until_ready()
    result = measure(
        lambda: kernel(parameters, buffers, x1, x2).block_until_ready(),
        lambda result: {"elements": result.size, "checksum": float(np.abs(np.asarray(result, float)).sum())},
        task["repeat"],
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main(task)
