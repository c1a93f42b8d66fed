"""A wide residual net in PyTorch, for images of 32 x 32 pixels.

Analyze WideResidual with its defaults and the input x of shape N,3,32,32. Its first block is 80 channels wide at full
resolution: jacrev of a whole batch of 100 images needs 30.52 GiB for one array there.
"""

import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Two convolutions, and a shortcut beside them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv_a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm_a = nn.BatchNorm2d(outputs)
        self.conv_b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_b = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        inner = F.relu(self.norm_a(self.conv_a(x)))
        return F.relu(self.norm_b(self.conv_b(inner)) + self.shortcut(x))


class WideResidual(nn.Module):
    """16 channels, a wide block, and four of 64 channels at half and a quarter of the resolution.

    Takes images [N, 3, 32, 32] and gives `classes` logits for each.
    """

    def __init__(self, width=80, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.wide_1 = Block(16, width, 1)
        self.half_1 = Block(width, 64, 2)
        self.half_2 = Block(64, 64, 1)
        self.quarter_1 = Block(64, 64, 2)
        self.quarter_2 = Block(64, 64, 1)
        self.logits = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = self.wide_1(x)
        x = self.half_2(self.half_1(x))
        x = self.quarter_2(self.quarter_1(x))
        return self.logits(x.mean((2, 3)))
