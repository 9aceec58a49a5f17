"""Modules of our own, for the tests of whole models; test_models.py writes changed copies of this file."""

import dataclasses

import torch

import holdall.torch


class Plain(torch.nn.Module):
    """As in PyTorch's own documentation: nothing to construct it with."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.fc(x))


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.rand(3))

    def forward(self, x):
        return x * self.scale


@holdall.torch.recorded
class Net(torch.nn.Module):
    def __init__(self, width, depth=2, *, activation=torch.nn.ReLU, head=None, dtype=torch.float32, sizes=()):
        super().__init__()
        sizes.append(9) if isinstance(sizes, list) else None
        self.layers = torch.nn.ModuleList(torch.nn.Linear(width, width, dtype=dtype) for _ in range(depth))
        self.activation = activation()
        self.head = Inner() if head is None else head
        self.register_buffer("mask", torch.ones(width), persistent=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        for layer in self.layers:
            x = self.activation(layer(x)) * self.mask
        return self.head(x)


@dataclasses.dataclass(eq=False)
class OfFields(torch.nn.Module):
    width: int
    bias: bool = True

    def __post_init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(self.width, 2, self.bias)

    def forward(self, x):
        return self.fc(x)


@dataclasses.dataclass
class Config:
    width: int = 3
    activation: type = torch.nn.GELU


class OfConfig(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.fc = torch.nn.Sequential(torch.nn.Linear(config.width, config.width), config.activation())

    def forward(self, x):
        return self.fc(x)


class Unrecorded(torch.nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.fc = torch.nn.Linear(width, 3)

    def forward(self, x):
        return self.fc(x)
