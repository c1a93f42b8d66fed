"""Single operators, exported, with PyTorch's outputs and derivatives in float64.

    python operators.py folder

Writes `family.number.pt2` and, decomposed, `family.number.core.pt2` for each case, `cases.json` with the operators that
each case's archives hold, and `expected.npz` with inputs `case<0`, ..., outputs `case=0`, ..., a cotangent `case~0`,
... for each floating-point output, and the cotangents `case'0`, ... of the floating-point inputs.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

warnings.filterwarnings("ignore")

ops = torch.ops.aten
tensor = torch.tensor


def x(*shape):
    return torch.randn(*shape)


def positive(*shape):
    return torch.rand(*shape) + 0.2


def unit(*shape):
    return 0.9 * (2 * torch.rand(*shape) - 1)


def whole(high, *shape, low=0):
    return torch.randint(low, high, shape)


def truth(*shape):
    return torch.rand(*shape) > 0.4


def made(module, seed=5):
    """A module whose weights are constants of the case."""
    torch.manual_seed(seed)
    return module.eval()


def used(layer):
    """With running statistics as after some training."""
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 1.5)
    return layer.eval()


def functional_batch_norm(a):
    statistics = torch.zeros(4, dtype=a.dtype), torch.ones(4, dtype=a.dtype)
    return ops._native_batch_norm_legit_functional(a, None, None, *statistics, True, 0.1, 1e-5)[0]


def in_place(change):
    """Of a copy, as inputs are not to be changed."""

    def f(a, *others):
        a = a.clone()
        change(a, *others)
        return a

    return f


class Stateful(nn.Module):
    """Given the two parts of its state one after the other."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, a, hidden, cell):
        return self.layer(a, (hidden, cell))


SIMPLE = "abs neg sign sgn ceil floor trunc fix frac round exp exp2 expm1 square sin cos tan sinh cosh tanh asinh atan"
SIMPLE = (
    f"{SIMPLE} erf erfc sigmoid relu reciprocal negative positive nan_to_num isnan isinf isfinite logical_not".split()
)
ACTIVATIONS = "relu6 elu selu celu silu mish hardsigmoid hardswish hardtanh leaky_relu softplus logsigmoid"
ACTIVATIONS = f"{ACTIVATIONS} softshrink hardshrink".split()


def elementwise():
    for name in SIMPLE:
        yield getattr(torch, name), x(3, 4)
    for name in "log log2 log10 log1p sqrt rsqrt".split():
        yield getattr(torch, name), positive(3, 4)
    for name in "asin acos atanh".split():
        yield getattr(torch, name), unit(3, 4)
    yield torch.acosh, 1 + positive(3, 4)
    yield torch.logit, positive(3, 4) / 2
    yield lambda a: torch.logit(a, 0.1), torch.rand(3, 4)
    yield lambda a: torch.round(a, decimals=1), x(3, 4)
    yield lambda a: (torch.exp(a), torch.sqrt(a), torch.abs(a), torch.neg(a), torch.sigmoid(a)), whole(5, 3)
    for name in ACTIVATIONS:
        yield getattr(F, name), 4 * x(3, 4)
    for name in "tanhshrink softsign glu gelu".split():
        yield getattr(F, name), 2 * x(3, 4)
    yield lambda a: F.gelu(a, approximate="tanh"), 2 * x(3, 4)
    yield lambda a: F.elu(a, 0.7), 2 * x(3, 4)
    yield lambda a: F.celu(a, 1.7), 2 * x(3, 4)
    yield lambda a: F.leaky_relu(a, 0.2), x(3, 4)
    yield lambda a: F.softplus(a, 2, 3), 3 * x(3, 4)
    yield lambda a: F.threshold(a, 0.3, -2), x(3, 4)
    yield lambda a: F.rrelu(a), x(3, 4)
    yield lambda a: F.glu(a, 0), x(4, 3)
    yield F.prelu, x(2, 3, 4), positive(3)
    yield F.prelu, x(2, 3), positive(1)
    yield lambda a, w: (ops._prelu_kernel(a, w), ops.log_sigmoid_forward(a)[0]), x(2, 3), positive(1, 3)
    yield lambda a: a.clamp(-0.5, 0.7), x(3, 4)
    yield lambda a: (a.clamp(min=0.1), a.clamp(max=0.1), a.clamp_min(-0.2), a.clamp_max(0.4), torch.clip(a, 0, 1)), x(
        3, 4
    )
    yield lambda a, low, high: a.clamp(low, high), x(3, 4), x(4) - 1, x(3, 1) + 1
    yield lambda a: a.clamp(1, 3), whole(6, 5)
    yield lambda a, b: (a + b, a - b, a * b, a / b), x(3, 4), positive(4)
    yield lambda a: (a + 2, 2 - a, a * 0.5, 1 / a, a - 1.5, a / 4), positive(3, 4)
    yield lambda a, b: (torch.add(a, b, alpha=2), torch.sub(a, b, alpha=0.5), torch.rsub(a, b, alpha=3)), x(3, 4), x(
        3, 1
    )
    yield lambda a, b: (torch.multiply(a, b), torch.divide(a, b), torch.true_divide(a, b), torch.subtract(a, b)), x(
        3
    ), positive(3)
    yield lambda a, b: (a + b, a * b, a / b, a - b), whole(7, 4), whole(7, 4, low=1)
    yield lambda a, b: (a + b, a * b, b / 2), whole(7, 4), x(4)
    yield lambda a: (a + 1, a * 2.5, a.sum() + 0.5), truth(4)
    yield lambda a, b: ((a // b).detach(), a % b, torch.fmod(a, b)), 5 * x(6), tensor([1.5, -2.0, 0.7, -0.3, 2.0, 1.0])
    yield lambda a, b: (a // b, a % b, torch.fmod(a, b)), whole(9, 8, low=-9), tensor([2, -3, 4, -5, 7, 1, -1, 2])
    yield lambda a, b: (torch.div(a, b, rounding_mode="floor"), torch.div(a, b, rounding_mode="trunc")), 5 * x(
        6
    ), positive(6)
    yield lambda a, b: (torch.div(a, b, rounding_mode="floor"), torch.div(a, b, rounding_mode="trunc")), whole(
        9, 6, low=-9
    ), tensor([2, -3, 4, 5, -7, 1])
    yield lambda a: (a**2, a**3, a**0.5, a**-1, a**-0.5, a**1.7, a**0, 2**a), positive(3, 4)
    yield lambda a, b: a**b, positive(3, 4), x(4)
    yield lambda a: (a**2, a**9), whole(3, 4)
    yield lambda a, b: (
        torch.maximum(a, b),
        torch.minimum(a, b),
        torch.fmax(a, b),
        torch.fmin(a, b),
        torch.atan2(a, b),
    ), x(3, 4), x(4)
    yield lambda a, b: torch.arctan2(a, b), x(3), x(3)
    yield lambda a, b, c: (torch.lerp(a, b, 0.3), torch.lerp(a, b, c)), x(3, 4), x(3, 4), x(4)
    yield lambda a, b, c: (torch.addcmul(a, b, c, value=0.5), torch.addcdiv(a, b, c, value=2)), x(3, 4), x(4), positive(
        3, 1
    )
    yield lambda a, b: (a == b, a != b, a < b, a <= b, a > b, a >= b), whole(3, 6), whole(3, 6)
    yield lambda a: (a == 0, a != 1, a < 0.5, a <= 0, a > -0.5, a >= 0), x(6)
    yield lambda a, b: (a & b, a | b, a ^ b, ~a, a.logical_and(b), a.logical_or(b), a.logical_xor(b)), truth(6), truth(
        6
    )
    yield lambda a, b: (ops.__and__(a, b), ops.__or__(a, b), ops.__xor__(a, b)), truth(6), truth(6)
    yield torch.where, truth(3, 4), x(3, 4), x(4)
    yield lambda c, a: (torch.where(c, a, 0.5), torch.where(c, 1.0, a)), truth(3, 4), x(3, 4)
    yield lambda a, m: (a.masked_fill(m, 0.5), a.masked_fill(m, a.sum())), x(3, 4), truth(4)
    yield lambda a: a.masked_fill(a > 0, float("-inf")).exp(), x(3, 4)
    yield lambda a: torch.nan_to_num(a / a.relu(), nan=3.0, posinf=4.0, neginf=-4.0), x(3, 4)


def products():
    yield F.linear, x(2, 3, 4), x(5, 4), x(5)
    yield F.linear, x(4), x(5, 4)
    yield torch.matmul, x(3, 4), x(4, 5)
    yield torch.matmul, x(2, 3, 4), x(4, 5)
    yield torch.matmul, x(2, 1, 3, 4), x(3, 4, 5)
    yield torch.matmul, x(4), x(2, 4, 5)
    yield torch.matmul, x(2, 3, 4), x(4)
    yield torch.matmul, x(4), x(4)
    yield lambda a, b: (torch.mm(a, b), torch.mv(a, b[:, 0])), x(3, 4), x(4, 5)
    yield torch.bmm, x(2, 3, 4), x(2, 4, 5)
    yield lambda a, b: (torch.dot(a, b), torch.vdot(a, b), torch.outer(a, b), torch.ger(a, b)), x(4), x(4)
    yield torch.inner, x(2, 3), x(4, 3)
    yield lambda a, b, c: torch.addmm(a, b, c, beta=0.5, alpha=2), x(5), x(3, 4), x(4, 5)
    yield lambda a, b, c: torch.addmv(a, b, c), x(3), x(3, 4), x(4)
    yield lambda a, b, c: torch.baddbmm(a, b, c, alpha=0.5), x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)
    yield lambda a, b: torch.einsum("bij,bjk->bik", a, b), x(2, 3, 4), x(2, 4, 5)
    yield lambda a, b: torch.einsum("...ij,kj->...ki", a, b), x(2, 3, 4), x(5, 4)
    yield lambda a, b, c: torch.einsum("ni,ijk,nk->nj", a, b, c), x(2, 3), x(3, 4, 5), x(2, 5)
    yield lambda a: (torch.einsum("ii->i", a), torch.einsum("ij->", a), torch.einsum("ji", a)), x(3, 3)
    yield F.bilinear, x(3, 2), x(3, 4), x(5, 2, 4), x(5)
    yield lambda a, b: torch.tensordot(a, b, dims=([1, 2], [0, 1])), x(2, 3, 4), x(3, 4, 5)
    yield lambda a, b: ops.inner(a, b), x(2, 3), x(4, 3)
    yield lambda a, b: ops.tensordot(a, b, [1], [0]), x(2, 3), x(3, 4)


def convolutions():
    yield F.conv1d, x(2, 3, 8), x(4, 3, 3), x(4)
    yield lambda a, w: F.conv1d(a, w, stride=2, padding=1, dilation=2, groups=2), x(2, 4, 9), x(6, 2, 3)
    yield F.conv2d, x(2, 3, 6, 5), x(4, 3, 3, 2), x(4)
    yield lambda a, w, b: F.conv2d(a, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=3), x(2, 6, 7, 6), x(
        3, 2, 3, 2
    ), x(3)
    yield lambda a, w: F.conv2d(a, w, padding="same"), x(2, 3, 5, 5), x(4, 3, 2, 3)
    yield lambda a, w: F.conv2d(a, w, padding="valid"), x(2, 3, 5, 5), x(4, 3, 2, 3)
    yield F.conv2d, x(3, 6, 5), x(4, 3, 3, 2)
    yield F.conv3d, x(2, 2, 4, 5, 4), x(3, 2, 2, 3, 2), x(3)
    yield F.conv_transpose1d, x(2, 3, 5), x(3, 4, 3), x(4)
    yield lambda a, w, b: F.conv_transpose2d(
        a, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(1, 2)
    ), x(2, 3, 4, 3), x(3, 4, 3, 2), x(4)
    yield lambda a, w: F.conv_transpose2d(a, w, stride=2, groups=2), x(2, 4, 3, 3), x(4, 3, 2, 2)
    yield F.conv_transpose3d, x(2, 2, 3, 3, 3), x(2, 3, 2, 2, 2)
    yield lambda a, w: ops._convolution(a, w, None, [1], [1], [1], False, [0], 1, False, False, False, False), x(
        2, 3, 5
    ), x(4, 3, 3)


def pooling():
    yield lambda a: F.max_pool1d(a, 3, 2, 1), x(2, 3, 9)
    yield lambda a: F.max_pool2d(a, 2), x(2, 3, 6, 7)
    yield lambda a: F.max_pool2d(a, (3, 2), (2, 1), (1, 0), dilation=(1, 2)), x(2, 3, 7, 8)
    yield lambda a: F.max_pool2d(a, 3, 2, ceil_mode=True), x(2, 3, 6, 8)
    yield lambda a: F.max_pool2d(a, 3, 2, 1, ceil_mode=True), x(2, 3, 6, 7)
    yield lambda a: F.max_pool3d(a, 2), x(2, 2, 4, 4, 5)
    yield lambda a: F.max_pool2d_with_indices(a, 2)[0], x(2, 3, 6, 7)
    yield lambda a: (ops.max_pool1d_with_indices(a, [2])[0]), x(2, 3, 6)
    yield lambda a: (ops.max_pool3d_with_indices(a, [2, 2, 2])[0]), x(2, 3, 4, 4, 4)
    yield lambda a: F.avg_pool1d(a, 3, 2, 1), x(2, 3, 9)
    yield lambda a: F.avg_pool2d(a, 2), x(2, 3, 6, 7)
    yield lambda a: F.avg_pool2d(a, 3, 2, 1, count_include_pad=False), x(2, 3, 6, 7)
    yield lambda a: F.avg_pool2d(a, 3, 2, 1, ceil_mode=True), x(2, 3, 6, 7)
    yield lambda a: F.avg_pool2d(a, (2, 3), divisor_override=5), x(2, 3, 6, 7)
    yield lambda a: F.avg_pool3d(a, 2), x(2, 2, 4, 4, 5)
    yield lambda a: (F.adaptive_avg_pool1d(a, 4), F.adaptive_avg_pool1d(a, 1)), x(2, 3, 10)
    yield lambda a: (
        F.adaptive_avg_pool2d(a, (3, 2)),
        F.adaptive_avg_pool2d(a, 1),
        F.adaptive_avg_pool2d(a, (None, 4)),
    ), x(2, 3, 6, 7)
    yield lambda a: F.adaptive_avg_pool3d(a, (2, 1, 3)), x(2, 2, 4, 3, 5)
    yield lambda a: ops._adaptive_avg_pool3d(a, [2, 1, 3]), x(2, 2, 4, 3, 5)
    yield lambda a: F.adaptive_max_pool1d(a, 2), x(2, 3, 6)
    yield lambda a: F.adaptive_max_pool2d(a, (3, 2)), x(2, 3, 6, 4)
    yield lambda a: F.adaptive_max_pool3d(a, (2, 1, 2)), x(2, 2, 4, 3, 4)
    yield lambda a: F.lp_pool2d(a, 2, 2), positive(2, 3, 4, 4)


def normalisation():
    yield used(nn.BatchNorm1d(4)), x(3, 4, 5)
    yield used(nn.BatchNorm2d(4, eps=0.01, affine=False)), x(3, 4, 2, 2)
    yield lambda a, w, b: F.batch_norm(a, None, None, w, b, training=True), x(3, 4, 5), positive(4), x(4)
    yield lambda a: ops.native_batch_norm(a, None, None, None, None, True, 0.1, 1e-5)[0], x(3, 4, 5)
    yield lambda a: ops._native_batch_norm_legit.no_stats(a, None, None, True, 0.1, 1e-5)[0], x(3, 4, 5)
    yield lambda a, w, b: F.layer_norm(a, (4, 5), w, b), x(3, 4, 5), positive(4, 5), x(4, 5)
    yield lambda a: F.layer_norm(a, (5,), eps=0.1), x(3, 4, 5)
    yield lambda a, w: ops._fused_rms_norm(a, [5], w, None)[0], x(3, 5), positive(5)
    yield functional_batch_norm, x(3, 4, 5)
    yield lambda a, w: F.rms_norm(a, (5,), w), x(3, 5), positive(5)
    yield lambda a, w: F.rms_norm(a, (4, 5), eps=0.01), x(3, 4, 5), positive(5)
    yield lambda a, w, b: F.group_norm(a, 2, w, b), x(3, 4, 5), positive(4), x(4)
    yield lambda a: F.instance_norm(a), x(3, 4, 5)
    yield used(nn.InstanceNorm1d(4, track_running_stats=True)), x(3, 4, 5)
    yield lambda a: F.local_response_norm(a, 3, 0.1, 0.7, 2.0), x(2, 5, 3)
    yield lambda a: (F.softmax(a, -1), F.softmax(a, 0), F.log_softmax(a, 1), F.softmin(a, 1)), x(3, 4)
    yield lambda a: F.softmax(a.masked_fill(a > 0.3, float("-inf")), -1), x(3, 4)
    yield lambda a: ops._safe_softmax(a.masked_fill(a > -5, float("-inf")), -1), x(3, 4)
    yield lambda a: F.normalize(a, dim=1), x(3, 4)
    yield lambda v, g: torch._weight_norm(v, g, 0), x(3, 4), positive(3, 1)
    yield lambda v, g: torch._weight_norm(v, g, -1), x(3, 4), positive(1)
    yield lambda v, g: torch._weight_norm_interface(v, g, 0)[0], x(3, 4), positive(3, 1)


def reductions():
    yield lambda a: (a.sum(), a.sum(1), a.sum((0, 2), keepdim=True), a.mean(), a.mean(-1), a.mean((0, 1))), x(3, 4, 2)
    yield lambda a: (a.prod(), a.prod(1), a.prod(0, keepdim=True)), positive(3, 4)
    yield lambda a: (a.amax(1), a.amin((0, 1)), a.amax(0, keepdim=True), a.max(), a.min()), x(3, 4)
    yield lambda a: (*a.max(1), *a.min(0, keepdim=True)), x(3, 4)
    yield lambda a, b: (torch.max(a, b), torch.min(a, b)), x(3, 4), x(4)
    yield lambda a: (a.argmax(), a.argmax(1), a.argmin(0, keepdim=True)), x(3, 4)
    yield lambda a: (a.all(), a.any(), a.all(1), a.any(0, keepdim=True)), truth(3, 4)
    yield lambda a: (a.sum(), a.sum(0), a.mean(0, dtype=torch.float32), a.prod(1)), whole(4, 3, 4)
    yield lambda a: (a.var(), a.var(1), a.std(0), a.var(1, unbiased=False), a.var(1, correction=2, keepdim=True)), x(
        4, 5
    )
    yield lambda a: (*torch.var_mean(a, 1), *torch.std_mean(a, 0, keepdim=True)), x(4, 5)
    yield lambda a: (
        a.norm(),
        a.norm(dim=1),
        a.norm(p=1, dim=0),
        a.norm(p=3),
        torch.linalg.vector_norm(a, float("inf"), dim=1),
    ), x(3, 4)
    yield lambda a: (
        torch.linalg.vector_norm(a, 0),
        torch.linalg.vector_norm(a, -float("inf")),
        torch.linalg.norm(a),
    ), x(3, 4)
    yield lambda a: ops.norm.ScalarOpt_dim(a, 2, [1], True), x(3, 4)
    yield lambda a: (a.logsumexp(1), a.logsumexp((0, 1), keepdim=True)), x(3, 4)
    yield lambda a: (a.cumsum(1), a.cumsum(0), a.cumprod(1)), positive(3, 4)
    yield lambda a: a.cumsum(1), whole(4, 3, 4)
    yield lambda a: (*a.sort(1), *a.sort(0, descending=True), a.argsort(1)), x(3, 4)
    yield lambda a: (*a.topk(2), *a.topk(2, 0, largest=False)), x(3, 4)
    yield lambda a: (*torch.aminmax(a), *torch.aminmax(a, dim=1)), x(3, 4)
    yield lambda a: (torch.count_nonzero(a), torch.count_nonzero(a, 1)), whole(3, 3, 4)


def shapes():
    yield lambda a: (
        a.view(4, 6),
        a.reshape(-1, 4),
        a.ravel(),
        a.flatten(),
        a.flatten(1),
        a.view_as(a.flatten()),
        a.reshape_as(a.flatten(1)),
    ), x(2, 3, 4)
    yield lambda a: (
        a.unsqueeze(0),
        a.unsqueeze(-1),
        a.squeeze(),
        a.squeeze(1),
        a.squeeze((1, 2)),
        a.unflatten(0, (2, -1)),
    ), x(4, 1, 3)
    yield lambda a: (
        a.transpose(0, 2),
        a.permute(1, 2, 0),
        a.movedim(0, 2),
        a.moveaxis((0, 1), (2, 0)),
        a.swapaxes(0, 1),
        a.swapdims(1, 2),
        a.mT,
    ), x(2, 3, 4)
    yield lambda a: (
        a.t(),
        a.T,
        a.adjoint(),
        a.H,
        ops.numpy_T(a),
        ops.swapdims(a, 0, 1),
        ops.swapaxes(a, 0, 1),
        ops.moveaxis.int(a, 0, 1),
        ops.mT(a),
    ), x(2, 3)
    yield lambda a: (
        a.expand(4, 3, 2),
        a.expand(-1, 3, -1),
        a.expand_as(a.repeat(1, 3, 1)),
        torch.broadcast_to(a, (4, 2, 2)),
    ), x(4, 1, 2)
    yield lambda a: (
        a[1],
        a[:, 1:],
        a[..., ::2],
        a[-1, :, 0],
        a[:, -2:],
        a.select(1, 2),
        a.narrow(2, 1, 2),
        a[:, None],
    ), x(3, 4, 5)
    yield lambda a: (
        *a.split(2, 1),
        *a.split((1, 3, 1), 1),
        *a.chunk(3, 1),
        *a.unbind(0),
        *a.tensor_split(3, 1),
        *a.tensor_split((1, 4), 1),
    ), x(2, 5)
    yield lambda a: (*ops.unsafe_split(a, 2, 1), *ops.unsafe_chunk(a, 2, 1)), x(2, 5)
    yield lambda a, b: (
        torch.cat((a, b), 1),
        torch.cat((a, a, a)),
        torch.stack((a, a), 1),
        torch.concat((b, a), -1),
        torch.hstack((a, b)),
        torch.vstack((a, a)),
    ), x(2, 3), x(2, 4)
    yield lambda a, b: (torch.cat((a, b)), torch.concatenate((a, b))), x(2), whole(3, 3)
    yield lambda a: (torch.hstack((a, a)), torch.vstack((a, a))), x(3)
    yield lambda a: (
        a.repeat(2, 1),
        a.repeat(2, 3, 2),
        a.tile(2),
        a.tile((2, 1, 1)),
        a.repeat_interleave(2, 1),
        a.repeat_interleave(3),
    ), x(2, 3)
    yield lambda a: (a.flip(0), a.flip((0, 1)), a.roll(1, 0), a.roll((-2, 1), (1, 0)), a.roll(4)), x(3, 4)
    yield lambda a: (
        F.pad(a, (1, 2)),
        F.pad(a, (0, 1, 2, 0), value=3.0),
        F.pad(a, (-1, 1)),
        ops.pad(a, [1, 0, 2, 1], "constant", 2.0),
    ), x(2, 3, 4)
    yield lambda a: (F.pad(a, (2, 1), "reflect"), F.pad(a, (1, 2), "replicate"), F.pad(a, (2, 1), "circular")), x(
        2, 3, 4
    )
    yield lambda a: (
        F.pad(a, (2, 1, 0, 2), "reflect"),
        F.pad(a, (1, 2, 3, 0), "replicate"),
        F.pad(a, (1, 0, 2, 1), "circular"),
    ), x(2, 3, 4, 5)
    yield lambda a: (F.pad(a, (1, 1, 1, 0, 0, 1), "reflect"), F.pad(a, (1, 1, 1, 0, 0, 1), "replicate")), x(
        2, 2, 3, 3, 3
    )
    yield lambda a: (ops.reflection_pad1d(a, [1, 2]), ops.replication_pad1d(a, [1, 2])), x(2, 3, 4)
    yield lambda a: (ops.reflection_pad2d(a, [1, 2, 0, 1]), ops.replication_pad2d(a, [1, 2, 0, 1])), x(2, 3, 4)
    yield lambda a: (ops.reflection_pad3d(a, [1, 2, 0, 1, 1, 1]), ops.replication_pad3d(a, [1, 2, 0, 1, 1, 1])), x(
        2, 3, 4, 3
    )
    yield lambda a: ops._unsafe_view(a, [4, 6]), x(2, 3, 4)
    yield lambda a: (F.pixel_shuffle(a, 2), F.channel_shuffle(a, 4)), x(2, 8, 3, 2)
    yield lambda a: F.pixel_unshuffle(a, 2), x(2, 3, 4, 6)
    yield lambda a: (a.unfold(1, 3, 2), a.unfold(0, 2, 1)), x(3, 7)
    yield lambda a: (F.unfold(a, (2, 3), dilation=(1, 2), padding=1, stride=2), F.unfold(a[0], 2)), x(2, 3, 5, 6)
    yield lambda a: (a.tril(), a.triu(), a.tril(-1), a.triu(1)), x(2, 3, 4)
    yield lambda a: (a.diagonal(), a.diagonal(1, 1, 2), a.diagonal(-1, 0, 2)), x(3, 3, 4)
    yield lambda a: (torch.diag_embed(a), torch.diag(a[0])), x(2, 3)
    yield lambda a: a + torch.zeros(3) + torch.ones(2, 3) + torch.full((3,), 0.5) + torch.arange(3) + torch.eye(
        2, 3
    ), x(2, 3)
    yield lambda a: (
        torch.zeros_like(a),
        torch.ones_like(a),
        torch.full_like(a, 2.5),
        a.new_zeros(2),
        a.new_ones(2, 2),
        a.new_full((2,), 3.0),
    ), x(2, 3)
    yield lambda a: (
        torch.arange(2, 9, 3) * a,
        torch.arange(0, 1, 0.25),
        torch.linspace(0, 1, 5),
        torch.eye(3),
        torch.scalar_tensor(2.0),
    ), whole(5, 3)
    yield lambda a: (torch.empty(3).fill_(1.0) + a, torch.empty_like(a).zero_(), a.new_empty(3).fill_(2)), x(3)
    yield lambda a, b: torch.meshgrid(a, b, indexing="ij"), x(2), x(3)
    yield lambda a, b: torch.meshgrid(a, b, indexing="xy"), x(2), x(3)
    yield torch.broadcast_tensors, x(2, 1), x(3)
    yield lambda a: F.one_hot(a, 4), whole(4, 2, 3)
    yield lambda a: (a.to(torch.float64), a.to(torch.int32), a.bool(), a.long().float(), a.double().type_as(a)), 3 * x(
        2, 3
    )
    yield lambda a: (a.contiguous(), a.clone(), ops.alias(a), F.dropout(a, 0.5, False)), x(2, 3)
    yield lambda a: (
        F.alpha_dropout(a),
        F.feature_alpha_dropout(a),
        F.dropout2d(a, training=False),
        ops.native_dropout(a, 0.5, False)[0],
    ), x(2, 3)
    yield in_place(lambda a, b: a.copy_(b)), x(2, 3), x(3)
    yield in_place(lambda a, b: a[:, 1].fill_(b)), x(2, 3), x(1)[0]
    yield in_place(lambda a, b: a[:, ::2].add_(b)), x(2, 5), x(3)
    yield in_place(lambda a: a.t().mul_(tensor([1.0, 2.0]))), x(2, 3)
    yield in_place(lambda a: a.view(-1)[1:5].zero_()), x(2, 3)
    yield in_place(lambda a: a.narrow(1, 2, 2).sigmoid_()), x(2, 4)
    yield in_place(lambda a: F.relu(a.unsqueeze(1), inplace=True)), x(2, 4)


def indexing():
    yield lambda w, i: F.embedding(i, w), x(5, 3), whole(5, 2, 4)
    yield lambda w, i: F.embedding(i, w, padding_idx=2), x(5, 3), whole(5, 2, 4)
    yield lambda a, i: (a[i], a[:, i], a[..., i]), x(3, 3, 3), whole(3, 4)
    yield lambda a, i, j: (a[i, j], a[:, i, j], a[i, :, j], a[:, :, i][:, j]), x(3, 3, 3), whole(3, 4), whole(3, 4)
    yield lambda a, i, j: (a[i[:, None], j], a[:, i[:, None], j]), x(3, 3, 3), whole(3, 4, low=-3), whole(3, 2)
    yield lambda a, i: a[torch.arange(3), i], x(3, 4, 2), whole(4, 3)
    yield lambda a, i: a[torch.arange(3)[:, None], i], x(3, 4, 2), whole(4, 3, 2)
    yield lambda a, i: (a.index_select(1, i), torch.index_select(a, 0, i)), x(3, 4), whole(3, 5)
    yield lambda a, i: (a.gather(1, i), torch.take_along_dim(a, i, 1)), x(3, 4), whole(4, 3, 2)
    yield lambda a, i: a.gather(0, i), x(3, 4, 2), whole(3, 5, 2, 1)
    yield lambda a, i, s: (a.scatter(1, i, s), a.scatter(1, i, 2.0)), x(3, 4), tensor([[0, 2], [1, 3], [2, 0]]), x(3, 2)
    yield lambda a, i, s: (a.scatter_add(1, i, s), a.scatter_add(0, i[:, :1] % 3, s[:, :1])), x(3, 4), whole(
        4, 2, 3
    ), x(2, 3)
    yield lambda a, i, s: a.index_add(1, i, s, alpha=2), x(3, 4), whole(4, 3), x(3, 3)
    yield lambda a, i, v: a.index_put((i,), v), x(4, 3), tensor([2, 0]), x(2, 3)
    yield lambda a, i, v: a.index_put((i, i), v, accumulate=True), x(4, 3), tensor([2, 0, 2]), x(3)
    yield lambda a, m: a.index_put((m,), tensor(0.5)), x(4, 3), truth(4, 3)
    yield lambda a, s: (a.select_scatter(s, 1, 2), a.slice_scatter(a * 2, 0, 0, 3)), x(3, 4), x(3)
    yield lambda a, i, v: ops.index_put(a, [None, i], v), x(2, 4, 3), tensor([2, 0]), x(2, 2, 3)
    yield lambda a, i: ops._unsafe_index(a, [None, i]), x(3, 4), whole(4, 3)
    yield lambda a, i, v: ops._unsafe_index_put(a, [i], v), x(4, 3), tensor([2, 0]), x(2, 3)
    yield lambda a, i: ops.take_along_dim(a, i, 1), x(3, 4), whole(4, 1, 2)


def recurrent():
    for kind, options in (
        (nn.LSTM, {}),
        (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
        (nn.LSTM, {"bias": False, "proj_size": 2}),
        (nn.GRU, {"num_layers": 2, "batch_first": True}),
        (nn.GRU, {"bidirectional": True, "bias": False}),
        (nn.RNN, {}),
        (nn.RNN, {"nonlinearity": "relu", "batch_first": True}),
    ):
        yield made(kind(3, 4, **options)), x(3, 2, 3)
    yield made(nn.LSTM(3, 4)), x(5, 3)
    yield Stateful(made(nn.LSTM(3, 4))), x(5, 2, 3), x(1, 2, 4), x(1, 2, 4)
    yield made(nn.GRU(3, 4)), x(5, 2, 3), x(1, 2, 4)
    for kind in (nn.LSTMCell, nn.GRUCell, nn.RNNCell):
        yield made(kind(3, 4)), x(2, 3)
    yield made(nn.RNNCell(3, 4, nonlinearity="relu")), x(2, 3)


def attention():
    f = F.scaled_dot_product_attention
    yield f, x(2, 2, 3, 4), x(2, 2, 5, 4), x(2, 2, 5, 6)
    yield lambda q, k, v: f(q, k, v, is_causal=True, scale=0.3), x(2, 2, 3, 4), x(2, 2, 3, 4), x(2, 2, 3, 4)
    yield f, x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), x(3, 5)
    yield f, x(2, 2, 3, 4), x(2, 2, 5, 4), x(2, 2, 5, 4), tensor(
        [[True] * 3 + [False] * 2, [False] * 4 + [True], [True] * 5]
    )
    yield lambda q, k, v: f(q, k, v, enable_gqa=True), x(2, 4, 3, 4), x(2, 2, 5, 4), x(2, 2, 5, 4)
    yield made(nn.MultiheadAttention(4, 2)), x(3, 2, 4), x(5, 2, 4), x(5, 2, 4)
    yield made(nn.TransformerDecoderLayer(4, 2, 6, batch_first=True)), x(2, 3, 4), x(2, 5, 4)
    yield lambda q, k, v: ops._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0], x(2, 2, 3, 4), x(2, 2, 5, 4), x(
        2, 2, 5, 4
    )


def resizing():
    f = F.interpolate
    yield lambda a: (f(a, scale_factor=2), f(a, 7), f(a, 3), f(a, 7, mode="nearest-exact")), x(2, 3, 5)
    yield lambda a: (f(a, 9, mode="linear"), f(a, 9, mode="linear", align_corners=True)), x(2, 3, 5)
    yield lambda a: (f(a, scale_factor=2), f(a, (7, 3)), f(a, (6, 9), mode="nearest-exact"), f(a, scale_factor=1.7)), x(
        2, 3, 5, 4
    )
    yield lambda a: (
        f(a, scale_factor=2, mode="bilinear"),
        f(a, (7, 3), mode="bilinear"),
        f(a, (8, 9), mode="bilinear", align_corners=True),
    ), x(2, 3, 5, 4)
    yield lambda a: (
        f(a, scale_factor=1.7, mode="bilinear"),
        f(a, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    ), x(2, 3, 5, 4)
    yield lambda a: (f(a, (8, 9), mode="bicubic"), f(a, (3, 7), mode="bicubic", align_corners=True)), x(2, 3, 5, 4)
    yield lambda a: (
        f(a, scale_factor=2),
        f(a, (3, 4, 5), mode="trilinear"),
        f(a, scale_factor=2, mode="nearest-exact"),
    ), x(2, 2, 2, 3, 2)


FAMILIES = (
    elementwise,
    products,
    convolutions,
    pooling,
    normalisation,
    reductions,
    shapes,
    indexing,
    recurrent,
    attention,
    resizing,
)


class Case(nn.Module):
    """Its outputs have one more axis in front, so that no axis of the inputs looks like a batch of examples."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *inputs):
        return torch.utils._pytree.tree_map(lambda output: output.unsqueeze(0), self.f(*inputs))


def differentiate(case, inputs):
    """Outputs in float64, a cotangent for each, and what these give for the inputs."""
    wide = [each.detach().double().requires_grad_() if each.is_floating_point() else each for each in inputs]
    outputs = torch.utils._pytree.tree_leaves(case(*wide))
    floats = [each for each in outputs if each.is_floating_point()]
    cotangents = [torch.randn_like(each) for each in floats]
    pairs = [(each, cotangent) for each, cotangent in zip(floats, cotangents) if each.requires_grad]
    variables = [each for each in wide if each.is_floating_point()]
    if not pairs:
        return outputs, cotangents, [torch.zeros_like(each) for each in variables]
    outputs_used, cotangents_used = zip(*pairs)
    results = torch.autograd.grad(outputs_used, variables, cotangents_used, allow_unused=True)
    return outputs, cotangents, [torch.zeros_like(v) if r is None else r for v, r in zip(variables, results)]


def written(folder, name, case, inputs):
    """Writes the archives of a case; which operators these hold, and the arrays."""
    program = torch.export.export(case, tuple(inputs))
    core = program.run_decompositions()
    torch.export.save(program, folder / f"{name}.pt2")
    torch.export.save(core, folder / f"{name}.core.pt2")
    nodes = [*program.graph.nodes, *core.graph.nodes]
    targets = {str(node.target) for node in nodes if isinstance(node.target, torch._ops.OpOverload)}
    outputs, cotangents, results = differentiate(case.double(), inputs)
    marked = {"<": inputs, "=": outputs, "~": cotangents, "'": results}
    arrays = {f"{name}{mark}{index}": each for mark, all in marked.items() for index, each in enumerate(all)}
    return sorted(targets), arrays


def main(folder):
    folder = Path(folder)
    cases, arrays = {}, {}
    for family in FAMILIES:
        torch.manual_seed(1)
        for number, (f, *inputs) in enumerate(family()):
            name = f"{family.__name__}.{number}"
            cases[name], results = written(folder, name, Case(f), inputs)
            arrays.update(results)
    (folder / "cases.json").write_text(json.dumps(cases))
    numbers = {key: value.detach().double().numpy(force=True) for key, value in arrays.items()}
    np.savez(folder / "expected.npz", **numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
