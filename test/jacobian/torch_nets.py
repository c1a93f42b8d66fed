"""The networks of nets.ts in PyTorch, and their Jacobians with torch.func, in float64.

    python torch_nets.py weights-and-inputs.npz jacobians.npz

Reads arrays `net:parameter` and `net<input`, writes one array `net:parameter` of shape [N, ...output, ...parameter]
for each parameter that was not given as `net!parameter` (frozen, or a buffer). Weights have TensorFlow.js's layouts; each
net brings them into PyTorch's, so that the Jacobians come out in TensorFlow.js's.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import functional_call, jacrev, vmap


def dense(p, name, x):
    return x @ p[name + "/kernel"] + p[name + "/bias"]


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


def filters(kernel):
    """[height, width, in, out] to [out, in, height, width]."""
    return kernel.permute(3, 2, 0, 1)


def same(x, size, stride, value=0.0):
    """Padding "same" of TensorFlow: what is odd goes to the end."""
    pads = []
    for extent in reversed(x.shape[2:]):
        total = max(0, (-(-extent // stride) - 1) * stride + size - extent)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def mlp(p, x):
    return dense(p, "third", torch.tanh(dense(p, "second", torch.relu(dense(p, "first", x)))))


def cnn(p, x):
    y = same(channels_first(x), 3, 2)
    y = torch.relu(F.conv2d(y, filters(p["strided/kernel"]), p["strided/bias"], stride=2))
    y = F.max_pool2d(same(y, 3, 1, -torch.inf), 3, 1)
    y = F.pad(y, (0, 1, 2, 1))
    y = F.elu(F.conv2d(y, filters(p["oblong/kernel"]), p["oblong/bias"]))
    y = F.avg_pool2d(y, (3, 2), 2)
    return dense(p, "logits", channels_last(y).flatten(1))


def padded(p, x):
    y = torch.tanh(F.conv2d(channels_first(x), filters(p["dilated/kernel"]), p["dilated/bias"], dilation=2))
    # An average over what of the window is inside the image
    y = F.avg_pool2d(same(y, 3, 2), 3, 2) / F.avg_pool2d(same(torch.ones_like(y), 3, 2), 3, 2)
    return y.mean((2, 3))


def residual(p, x):
    def conv(x, name, size, stride=1):
        y = F.conv2d(same(x, size, stride), filters(p[name + "_conv/kernel"]), stride=stride)
        mean, variance, gamma, beta = (
            p[f"{name}_norm/{key}"] for key in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(y, mean, variance, gamma, beta, training=False, eps=1e-3)

    stem = torch.relu(conv(channels_first(x), "stem", 3))
    y = torch.relu(conv(torch.relu(conv(stem, "same_a", 3)), "same_b", 3) + stem)
    inner = conv(torch.relu(conv(y, "half_a", 3, 2)), "half_b", 3)
    y = torch.relu(inner + conv(y, "half_shortcut", 1, 2))
    return dense(p, "logits", y.mean((2, 3)))


def lstm(p, x):
    for name in ("lower", "upper"):
        kernel, recurrent, bias = (p[f"{name}/{key}"] for key in ("kernel", "recurrent_kernel", "bias"))
        layer = torch.nn.LSTM(kernel.shape[0], recurrent.shape[0], batch_first=True, dtype=x.dtype)
        weights = {
            "weight_ih_l0": kernel.T,
            "weight_hh_l0": recurrent.T,
            "bias_ih_l0": bias,
            "bias_hh_l0": torch.zeros_like(bias),
        }
        x, _ = functional_call(layer, weights, (x,))
    return dense(p, "logits", x[:, -1])


def gru(p, x):
    """PyTorch's own GRU has sigmoid gates and multiplies the state before it resets it; TensorFlow.js has neither."""
    kernel, recurrent, bias = (p["cell/" + key] for key in ("kernel", "recurrent_kernel", "bias"))
    size = recurrent.shape[0]
    state = x.new_zeros(x.shape[0], size)
    gate = lambda value: torch.clip(0.2 * value + 0.5, 0, 1)
    for step in range(x.shape[1]):
        z, r, h = (x[:, step] @ kernel + bias).split(size, 1)
        uz, ur, uh = recurrent.split(size, 1)
        z, r = gate(z + state @ uz), gate(r + state @ ur)
        state = z * state + (1 - z) * torch.tanh(h + (r * state) @ uh)
    return dense(p, "logits", state)


def shared(p, a, b):
    layer = lambda x: torch.tanh(dense(p, "shared", x))
    return dense(p, "logits", torch.cat((layer(layer(a)), layer(b)), 1))


def grouped(p, x):
    kernel = p["depthwise"]
    depthwise = kernel.permute(2, 3, 0, 1).flatten(0, 1).unsqueeze(1)
    y = torch.relu(F.conv2d(same(channels_first(x), 3, 1), depthwise, groups=kernel.shape[2]))
    y = F.relu6(F.conv2d(y, filters(p["grouped"]), p["grouped_bias"], stride=2, groups=2))
    return y.mean((2, 3)) @ p["pointwise"]


def attention(p, ids):
    x = F.embedding(ids, p["embedding"]) + p["positions"]
    normal = F.layer_norm(x, x.shape[-1:], p["gain"], p["shift"], eps=1e-5)
    query, key, value = (
        (normal @ p[name]).unflatten(2, (2, -1)).transpose(1, 2) for name in ("query", "key", "value")
    )
    scores = torch.softmax(query @ key.transpose(2, 3) * p["temperature"], -1)
    mixed = (scores @ value).transpose(1, 2).flatten(2) @ p["mix"]
    return (x + mixed).mean(1) @ p["logits"]


def coupled(p, x):
    hidden = torch.tanh(dense(p, "hidden", x))
    return dense(p, "logits", torch.tanh(hidden - hidden.mean(0, keepdim=True)))


def of_one(f):
    """A function of one example, without the batch axis."""
    return lambda p, *x: f(p, *(each.unsqueeze(0) for each in x)).squeeze(0)


def vectorised(f, p, inputs):
    return vmap(jacrev(of_one(f)), (None,) + (0,) * len(inputs))(p, *inputs)


def one_by_one(f, p, inputs):
    rows = [jacrev(of_one(f))(p, *example) for example in zip(*inputs)]
    return {name: torch.stack([row[name] for row in rows]) for name in p}


def whole_batch(f, p, inputs):
    return jacrev(f)(p, *inputs)


def main(source, target):
    arrays = {name: torch.from_numpy(array) for name, array in np.load(source).items()}
    arrays = {name: array.double() if array.is_floating_point() else array.long() for name, array in arrays.items()}

    def of(net, mark):
        return {name[len(net) + 1 :]: array for name, array in arrays.items() if name.startswith(net + mark)}

    results = {}
    for f in (mlp, cnn, padded, residual, lstm, gru, shared, grouped, attention, coupled):
        net = f.__name__
        fixed, inputs = of(net, "!"), list(of(net, "<").values())
        g = lambda p, *x: f({**p, **fixed}, *x)
        # The kernel of LSTM layers has no batching rule
        differentiate = {coupled: whole_batch, lstm: one_by_one}.get(f, vectorised)
        blocks = differentiate(g, of(net, ":"), inputs)
        results.update({f"{net}:{name}": block.detach().numpy() for name, block in blocks.items()})
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
