"""The networks of ../jacobian/nets.ts, of tied-net.ts and the tutorial's CNN in JAX, and their kernels in float64.

    python jax_nets.py weights-and-inputs.npz kernels.npz

All arrays have TensorFlow.js's layouts, which JAX can take as they are.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kernel_files import write_kernels

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def dense(p, name, x):
    return x @ p[name + "/kernel"] + p[name + "/bias"]


def conv(x, kernel, strides=(1, 1), padding="VALID", dilation=(1, 1), groups=1):
    """Padding "SAME" is TensorFlow's: what is odd goes to the end."""
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def pool(x, initial, combine, size, strides, padding="VALID"):
    return lax.reduce_window(x, initial, combine, (1, *size, 1), (1, *strides, 1), padding)


def mlp(p, x):
    return dense(p, "third", jnp.tanh(dense(p, "second", jax.nn.relu(dense(p, "first", x)))))


def cnn(p, x):
    y = jax.nn.relu(conv(x, p["strided/kernel"], (2, 2), "SAME") + p["strided/bias"])
    y = pool(y, -jnp.inf, lax.max, (3, 3), (1, 1), "SAME")
    y = jnp.pad(y, ((0, 0), (2, 1), (0, 1), (0, 0)))
    y = jax.nn.elu(conv(y, p["oblong/kernel"]) + p["oblong/bias"])
    y = pool(y, 0.0, lax.add, (3, 2), (2, 2)) / 6
    return dense(p, "logits", y.reshape(len(y), -1))


def padded(p, x):
    y = jnp.tanh(conv(x, p["dilated/kernel"], dilation=(2, 2)) + p["dilated/bias"])
    total = lambda values: pool(values, 0.0, lax.add, (3, 3), (2, 2), "SAME")
    # An average over what of the window is inside the image
    return (total(y) / total(jnp.ones_like(y))).mean((1, 2))


def residual(p, x):
    def normalised(x, name, strides=(1, 1)):
        mean, variance, gamma, beta = (
            p[f"{name}_norm/{key}"] for key in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        y = conv(x, p[name + "_conv/kernel"], strides, "SAME")
        return (y - mean) / jnp.sqrt(variance + 1e-3) * gamma + beta

    relu = jax.nn.relu
    stem = relu(normalised(x, "stem"))
    y = relu(normalised(relu(normalised(stem, "same_a")), "same_b") + stem)
    inner = normalised(relu(normalised(y, "half_a", (2, 2))), "half_b")
    y = relu(inner + normalised(y, "half_shortcut", (2, 2)))
    return dense(p, "logits", y.mean((1, 2)))


def lstm(p, x):
    for name in ("lower", "upper"):
        kernel, recurrent, bias = (p[f"{name}/{key}"] for key in ("kernel", "recurrent_kernel", "bias"))

        def step(state, row):
            hidden, cell = state
            i, f, c, o = jnp.split(row @ kernel + hidden @ recurrent + bias, 4, 1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        zeros = jnp.zeros((len(x), len(recurrent)))
        _, rows = lax.scan(step, (zeros, zeros), x.transpose(1, 0, 2))
        x = rows.transpose(1, 0, 2)
    return dense(p, "logits", x[:, -1])


def gru(p, x):
    """Hard sigmoid gates; the state is reset before it is multiplied."""
    kernel, recurrent, bias = (p["cell/" + key] for key in ("kernel", "recurrent_kernel", "bias"))
    gate = lambda value: jnp.clip(0.2 * value + 0.5, 0, 1)
    of_z, of_r, of_h = jnp.split(recurrent, 3, 1)
    state = jnp.zeros((len(x), len(recurrent)))
    for time in range(x.shape[1]):
        z, r, h = jnp.split(x[:, time] @ kernel + bias, 3, 1)
        z, r = gate(z + state @ of_z), gate(r + state @ of_r)
        state = z * state + (1 - z) * jnp.tanh(h + (r * state) @ of_h)
    return dense(p, "logits", state)


def shared(p, a, b):
    layer = lambda x: jnp.tanh(dense(p, "shared", x))
    return dense(p, "logits", jnp.concatenate((layer(layer(a)), layer(b)), 1))


def grouped(p, x):
    kernel = p["depthwise"]
    height, width, channels, multiplier = kernel.shape
    depthwise = kernel.reshape(height, width, 1, channels * multiplier)
    y = jax.nn.relu(conv(x, depthwise, padding="SAME", groups=channels))
    y = jax.nn.relu6(conv(y, p["grouped"], (2, 2), groups=2) + p["grouped_bias"])
    return y.mean((1, 2)) @ p["pointwise"]


def attention(p, ids):
    x = p["embedding"][ids] + p["positions"]
    normal = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5) * p["gain"] + p["shift"]
    query, key, value = (
        (normal @ p[name]).reshape(*ids.shape, 2, -1) for name in ("query", "key", "value")
    )
    scores = jax.nn.softmax(jnp.einsum("nshd,nthd->nhst", query, key) * p["temperature"], -1)
    joined = jnp.einsum("nhst,nthd->nshd", scores, value).reshape(x.shape)
    return (x + joined @ p["mix"]).mean(1) @ p["logits"]


def tied(p, ids):
    return (jnp.tanh(p["words"][ids] @ p["mixing"]) @ p["words"].T).mean(1)


def tutorial(p, x):
    """Weights in the order of the layers."""
    kernels = [value for value in p.values() if value.ndim > 1]
    biases = [value for value in p.values() if value.ndim == 1]
    y = jax.nn.relu(conv(x, kernels[0]) + biases[0])
    y = jax.nn.relu(conv(y, kernels[1]) + biases[1])
    y = conv(y, kernels[2]) + biases[2]
    return y.reshape(len(y), -1) @ kernels[3] + biases[3]


def jacobians(f, parameters, fixed, inputs):
    # Dictionaries of arrays come out of JAX sorted by name, so the order of layers is taken from the names
    order = list(parameters)

    def of_one(values, *example):
        p = {**{name: values[name] for name in order}, **fixed}
        return f(p, *(each[None] for each in example))[0]

    of_each = jax.jit(jax.vmap(jax.jacrev(of_one), (None,) + (0,) * len(inputs)))
    return {name: np.asarray(block) for name, block in of_each(parameters, *inputs).items()}


if __name__ == "__main__":
    nets = (mlp, cnn, padded, residual, lstm, gru, shared, grouped, attention, tied, tutorial)
    write_kernels(nets, jacobians, *sys.argv[1:])
