"""Models as users write them, for the tests of `.py` files."""

import torch
import torch.nn.functional as F
from torch import nn

from helper import scaled


class Net(nn.Module):
    """A small convolutional network."""

    def __init__(self, width=8, classes: int = 3, *, bias=True):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, classes, bias=bias)

    def forward(self, x):
        print("forward runs")
        y = F.relu(self.norm(self.conv(x)))
        y = scaled(y.mean((2, 3)))
        return self.head(y)


class Sized(nn.Module):
    """Takes its own batch size for granted."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        count = int(x.shape[0])
        return self.linear(x.reshape(count, 4)) if count < 5 else self.linear(x)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        if x.sum() > 0:
            return self.linear(x)
        return -self.linear(x)


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, "two")

    def forward(self, x):
        return self.linear(x)


def make_net(width: int) -> nn.Module:
    return Net(width, classes=2)


made = make_net(4)
