"""Models that torch.func runs as loops, or not at all."""

import os

import torch
from torch import nn


class Loops(nn.Module):
    """Operations without batching rules, and modules that do other things in training mode."""

    def __init__(self):
        super().__init__()
        self.cells = nn.LSTM(4, 6, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)
        self.linear = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))
        self.norm = nn.BatchNorm1d(5)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        y, _ = self.cells(x)
        y = self.encoder(y)
        y = self.linear(y.mean(1))
        y = self.norm(y)
        y = self.drop(y)
        return y.unfold(1, 3, 1).sum(2)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.GRU(4, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        y, _ = self.cells(x)
        return self.head(y[:, -1])


class Ending(nn.Module):
    """Ends its process where torch.func calls it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        if torch._C._functorch.peek_interpreter_stack() is not None:
            os._exit(7)
        return self.linear(x)


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        y = torch.zeros(x.shape[0], 4)
        y += self.linear(x)
        return y
