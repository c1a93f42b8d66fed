"""Models that are exported in particular ways, and what PyTorch makes of them in float64.

    python models.py folder

Writes `name.pt2`, and `expected.npz` with a model's inputs `name<0`, `name<1`, ... with the batch axis first, and its
outputs `name=0`, ... at them, the batch axis first too.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

warnings.filterwarnings("ignore")
OPEN = torch.export.Dim.DYNAMIC


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x):
        y = self.linear(x)
        return x + y * self.scale


class Nested(nn.Module):
    """A block that is called twice, a list of blocks, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.twice = Block(3)
        self.blocks = nn.ModuleList([Block(3), nn.Sequential(nn.Linear(3, 4), nn.ReLU())])
        self.shift = nn.Parameter(torch.ones(4))

    def forward(self, x):
        x = self.twice(self.twice(x))
        for block in self.blocks:
            x = block(x)
        return x + self.shift


class Tied(nn.Module):
    """Weights that are one, frozen, transposed in memory, and of 16 bits."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 4)
        self.decode = nn.Linear(4, 4)
        self.decode.weight = self.encode.weight
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.turned = nn.Parameter(torch.randn(3, 4).t())
        self.short = nn.Parameter(torch.randn(3).half())
        self.brain = nn.Parameter(torch.randn(3).bfloat16())
        self.register_buffer("steps", torch.arange(3))

    def forward(self, x):
        y = self.frozen(torch.tanh(self.decode(torch.tanh(self.encode(x)))))
        return (y @ self.turned) * self.short.to(x.dtype) + self.brain.to(x.dtype) * self.steps


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(self.linear(x))


class Centred(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        y = torch.tanh(self.linear(x))
        return y - y.mean(0, keepdim=True)


class Shared(nn.Module):
    """Each example's result is a part of a whole."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x) / x.shape[0]


class Squeezed(nn.Module):
    """At a batch of one, that axis is dropped too."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x)).squeeze()


class InPlace(nn.Module):
    """Changes arrays through views of them."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 6)

    def forward(self, x):
        y = self.linear(x)
        y[:, 0] = 1.0
        y[:, 1::2] *= 3
        z = y.view(-1, 2, 3)
        first = z[:, 0]
        first += 10
        z.transpose(1, 2)[:, 2].relu_()
        mask = torch.zeros(2, 3)
        for number, part in enumerate((slice(0, 1), slice(1, None))):
            mask[part, 1:] = number + 1
        with torch.no_grad():
            scale = y.abs().sum(1, keepdim=True)
        y = y.reshape(-1, 2, 3).masked_fill(mask == 1, 0.5) / scale.unsqueeze(-1)
        y.detach().mul_(2)
        return {"parts": [y, first], "last": z.clone()[..., -1]}


class Tokens(nn.Module):
    """Two open axes; logits of all tokens in one row after the other; and each text's own last token."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.head = nn.Linear(4, 5)

    def forward(self, ids, last):
        x = torch.cumsum(self.words(ids), 1)
        return self.head(x).view(-1, 5), x[torch.arange(ids.shape[0]), last]


class Masked(nn.Module):
    """A mask that is the same for all examples."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x, mask):
        return F.scaled_dot_product_attention(self.linear(x), x, x, attn_mask=mask)


class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x).square().mean()


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return F.dropout(self.linear(x), 0.5)


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x + torch.randn_like(x))


class Decomposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))

    def forward(self, x):
        return x @ torch.linalg.svd(self.weight).U


class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: self.linear(y), lambda y: -self.linear(y), (x,))


def save(path, net, inputs, shapes=None):
    program = torch.export.export(net, inputs, dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions() if path.stem == "instance" else program, path)


FIRST = ({0: OPEN},)


def cases():
    x = lambda *shape: torch.randn(*shape)
    yield "nested", Nested().eval(), (x(3, 3),), FIRST
    yield "tied", Tied().eval(), (x(3, 4),), FIRST
    yield "evaluated", Normalised().eval(), (x(3, 3),), FIRST
    yield "training", Normalised().train(), (x(3, 3),), FIRST
    yield "centred", Centred(), (x(3, 3),), FIRST
    yield "shared", Shared(), (x(3, 3),), FIRST
    yield "squeezed", Squeezed(), (x(3, 3),), FIRST
    yield "single", Normalised().eval(), (x(1, 3),), None
    yield "single_training", nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3)).train(), (x(1, 2, 4),), None
    yield "instance", nn.Sequential(nn.Conv1d(2, 3, 2), nn.InstanceNorm1d(3)), (x(3, 2, 4),), FIRST
    yield "many", Normalised().eval(), (x(3, 3),), None
    yield "lstm", nn.LSTM(3, 2, batch_first=True), (x(3, 4, 3),), FIRST
    yield "time_first", nn.GRU(3, 2, bidirectional=True), (x(4, 3, 3),), ({1: OPEN},)
    yield "in_place", InPlace(), (x(3, 4),), FIRST
    yield "tokens", Tokens(), (torch.randint(0, 6, (3, 4)), torch.tensor([1, 3, 0])), ({0: OPEN, 1: OPEN}, {0: OPEN})
    yield "masked", Masked(), (x(3, 4, 3), torch.rand(4, 4) > 0.3), ({0: OPEN}, None)
    yield "loss", Loss(), (x(3, 3),), FIRST
    yield "whole", nn.Linear(3, 2), (x(3),), None
    yield "double", nn.Linear(3, 2).double(), (x(3, 3).double(),), FIRST
    yield "dropped", Dropped(), (x(3, 3),), FIRST
    yield "noisy", Noisy(), (x(3, 3),), FIRST
    yield "unknown", Decomposed(), (x(3, 3),), FIRST
    yield "chosen", Chosen(), (x(3, 3),), FIRST


def first(array, shape):
    """With the batch axis, which is the only one that is open, first."""
    axis = next(iter(shape)) if shape else 0
    return array.movedim(axis, 0)


def main(folder):
    folder = Path(folder)
    results = {}
    for name, net, inputs, shapes in cases():
        torch.manual_seed(3)
        save(folder / f"{name}.pt2", net, inputs, shapes)
        if name in ("dropped", "noisy", "unknown", "chosen"):
            continue
        net = net.double()
        wide = [each.double() if each.is_floating_point() else each for each in inputs]
        outputs = net(*wide)
        outputs = torch.utils._pytree.tree_leaves(outputs)
        for index, each in enumerate(wide):
            results[f"{name}<{index}"] = first(each, shapes and shapes[index])
        for index, each in enumerate(outputs):
            # What recurrent layers return of their state, and whole sequences with time first
            isSecond = name == "time_first" or (name == "lstm" and index > 0)
            results[f"{name}={index}"] = each.movedim(1, 0) if isSecond else each
    np.savez(folder / "expected.npz", **{key: value.detach().double().numpy() for key, value in results.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
