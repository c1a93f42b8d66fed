"""Exports small PyTorch modules as ONNX files, with what PyTorch itself makes of them.

usage: torch_models.py FOLDER

For each net: FOLDER/net.onnx, and FOLDER/net.npz with an input `x` [2, ...], the output `y`, and by the names of the
module's parameters the Jacobians of single examples, [2, ...output, ...parameter].
"""

import pathlib
import sys

import numpy as np
import torch
from torch import nn


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, stride=2)
        self.norm = nn.GroupNorm(2, 4)
        self.head = nn.Linear(4 * 9, 3)

    def forward(self, x):
        x = nn.functional.gelu(self.norm(self.conv(x)))
        x = nn.functional.avg_pool2d(x, 2, stride=1, padding=1, count_include_pad=False)
        x = x[:, :, :3, :3].flatten(1)
        return torch.log_softmax(self.head(x), -1)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, dim_feedforward=12, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.block(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, x):
        return self.layers(x)


NETS = [
    ("convolutional", Convolutional, (2, 6, 6), True),
    ("transformer", Transformer, (5, 8), True),
    ("recurrent", Recurrent, (4, 3), False),
    ("mlp", Mlp, (5,), True),
    ("mlp-by-tracing", Mlp, (5,), False),
]


def main(folder: pathlib.Path) -> None:
    for name, make, shape, dynamo in NETS:
        torch.manual_seed(1)
        net = make().eval()
        # Exporters merge arrays that are equal, as layers' ones and zeros are
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=0.5)
        x = torch.randn(2, *shape)
        file = str(folder / f"{name}.onnx")
        if dynamo:
            torch.onnx.export(net, (x,), file, dynamo=True, input_names=["x"], dynamic_shapes=({0: torch.export.Dim("batch")},))
        else:
            torch.onnx.export(net, (x,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
        parameters = {key: value.detach() for key, value in net.named_parameters()}

        def one(own, example):
            return torch.func.functional_call(net, own, (example[None],))[0]

        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            jacobians = [torch.func.jacrev(one)(parameters, example) for example in x]
        stacked = {key: torch.stack([each[key] for each in jacobians]).numpy() for key in parameters}
        np.savez(folder / f"{name}.npz", x=x.numpy(), y=net(x).detach().numpy(), **stacked)


main(pathlib.Path(sys.argv[1]))
