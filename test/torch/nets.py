"""Small networks of well-known kinds, exported, with what PyTorch makes of them in float64.

    python nets.py folder

Writes `name.pt2` (as torch.export gives it), `name.core.pt2` (after run_decompositions) and `expected.npz` with, for
each network, its examples `name<` and `name>`, its outputs `name=0`, `name=1`, ... at the first of them, Jacobians
`name:parameter` of shape [N, O, ...parameter] (O elements of all outputs, for parameters that are trained), and the
kernel `name!` [N1, N2, O, O] between the two sets.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, jacrev

warnings.filterwarnings("ignore")


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 7)
        self.second = nn.Linear(7, 6)
        self.third = nn.Linear(6, 3)
        self.third.bias.requires_grad_(False)

    def forward(self, x):
        return self.third(torch.tanh(self.second(F.relu(self.first(x)))))


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding="valid", bias=False),
            nn.ELU(),
            nn.AvgPool2d(2, stride=1, padding=1),
            nn.Dropout(0.5),
        )
        self.classifier = nn.Linear(6 * 3 * 3, 3)

    def forward(self, x):
        y = self.features(x)
        return self.classifier(torch.flatten(y, 1))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    """torchvision's, with narrow layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [4, 4, 6, 6, 8]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(BasicBlock(a, b, 1 if i == 0 else 2), BasicBlock(b, b))
                for i, (a, b) in enumerate(zip(widths, widths[1:]))
            )
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layers(x))
        return self.fc(torch.flatten(x, 1))


class WideBlock(nn.Module):
    """Of a wide residual net: normalised and activated before it is convolved."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + self.shortcut(y)


class WideResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(WideBlock(4, 8, 1), WideBlock(8, 12, 2))
        self.norm = nn.BatchNorm2d(12)
        self.logits = nn.Linear(12, 3)

    def forward(self, x):
        y = F.relu(self.norm(self.blocks(self.stem(x))))
        return self.logits(F.avg_pool2d(y, y.shape[2:]).squeeze())


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        hidden = 2 * inputs
        self.expand = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.Hardswish(inplace=True)
        )
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(hidden, 2, 1), nn.ReLU(), nn.Conv2d(2, hidden, 1), nn.Hardsigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.depthwise(self.expand(x))
        y = self.project(self.squeeze(y) * y)
        return x + y if self.is_residual else y


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.Hardswish())
        self.blocks = nn.Sequential(InvertedResidual(4, 4, 1), InvertedResidual(4, 6, 2))
        self.classifier = nn.Sequential(nn.Linear(6, 5), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(5, 3))

    def forward(self, x):
        return self.classifier(self.blocks(self.stem(x)).mean([2, 3]))


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 2, 2)
        self.depthwise = nn.Conv2d(4, 4, 7, padding=3, groups=4)
        self.norm = nn.LayerNorm(4, eps=1e-6)
        self.wide = nn.Linear(4, 8)
        self.narrow = nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.full((4, 1, 1), 0.5))
        self.logits = nn.Linear(4, 3)

    def forward(self, x):
        x = self.patches(x)
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.narrow(F.gelu(self.wide(self.norm(y)))).permute(0, 3, 1, 2)
        return self.logits((x + self.scale * y).mean((-2, -1)))


class GPT(nn.Module):
    """One block of nanoGPT, whose logits are products with its embedding."""

    def __init__(self, words=11, time=5, width=6, heads=2):
        super().__init__()
        self.heads = heads
        self.words = nn.Embedding(words, width)
        self.positions = nn.Embedding(time, width)
        self.drop = nn.Dropout(0.1)
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width, bias=False)
        self.projection = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width))
        self.norm3 = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        batch, time = ids.size()
        x = self.drop(self.words(ids) + self.positions(torch.arange(time, device=ids.device)))
        q, k, v = self.attention(self.norm1(x)).split(x.size(2), dim=2)
        q, k, v = (y.view(batch, time, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0, is_causal=True)
        x = x + self.projection(y.transpose(1, 2).contiguous().view(batch, time, -1))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm3(x[:, [-1], :])).squeeze(1)


class BERT(nn.Module):
    """An encoder layer with a padding mask, and the first token's pooled state."""

    def __init__(self, words=9, time=6, width=8):
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=0)
        self.register_buffer("position_ids", torch.arange(time).unsqueeze(0), persistent=False)
        self.positions = nn.Embedding(time, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.encoder = nn.TransformerEncoderLayer(width, 2, 12, activation="gelu", batch_first=True)
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, 3)

    def forward(self, ids):
        x = self.norm(self.words(ids) + self.positions(self.position_ids[:, : ids.shape[1]]))
        x = self.encoder(x, src_key_padding_mask=ids == 0)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.lstm = nn.LSTM(4, 3, num_layers=2, batch_first=True, bidirectional=True)
        self.logits = nn.Linear(6, 3)

    def forward(self, ids):
        _, (hidden, _) = self.lstm(self.words(ids))
        return self.logits(torch.cat((hidden[-2], hidden[-1]), 1))


class GRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)
        self.logits = nn.Linear(4, 2)

    def forward(self, x):
        steps, _ = self.gru(x)
        return self.logits(steps[:, -1])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        double = lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(2, b), nn.SiLU())
        self.down = double(1, 4)
        self.deep = double(4, 6)
        self.up = nn.ConvTranspose2d(6, 4, 2, 2)
        self.refine = double(8, 4)
        self.smooth = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.out = nn.Conv2d(10, 1, 1)

    def forward(self, x):
        skip = self.down(x)
        deep = self.deep(F.max_pool2d(skip, 2))
        y = self.refine(torch.cat([self.up(deep), skip], dim=1))
        return self.out(torch.cat([y, self.smooth(deep)], dim=1)).flatten(1)


class Mixer(nn.Module):
    def __init__(self, patches=4, width=6):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.norm1 = nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(patches, 5), nn.GELU(), nn.Linear(5, patches))
        self.norm2 = nn.LayerNorm(width)
        self.channels = nn.Sequential(nn.Linear(width, 7), nn.GELU(), nn.Linear(7, width))
        self.logits = nn.Linear(width, 3)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norm2(x))
        return {"logits": self.logits(x.mean(1)), "tokens": x}


NETS = {
    "mlp": (MLP, lambda n: torch.randn(n, 5)),
    "cnn": (CNN, lambda n: torch.randn(n, 2, 8, 8)),
    "resnet18": (ResNet18, lambda n: torch.randn(n, 3, 32, 32)),
    "wide": (WideResNet, lambda n: torch.randn(n, 3, 8, 8)),
    "mobilenet": (MobileNet, lambda n: torch.randn(n, 3, 12, 12)),
    "convnext": (ConvNeXt, lambda n: torch.randn(n, 3, 8, 8)),
    "gpt": (GPT, lambda n: torch.randint(0, 11, (n, 5))),
    "bert": (BERT, lambda n: torch.tensor([[3, 1, 4, 1, 5, 0], [2, 7, 1, 0, 0, 0], [8, 2, 8, 1, 8, 2]])[:n]),
    "lstm": (LSTM, lambda n: torch.randint(0, 7, (n, 4))),
    "gru": (GRU, lambda n: torch.randn(n, 5, 3)),
    "unet": (UNet, lambda n: torch.randn(n, 1, 4, 4)),
    "mixer": (Mixer, lambda n: torch.randn(n, 3, 8, 8)),
}


def randomised(net):
    """In evaluation mode, with statistics and scales that are not those of a new layer."""
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return net.eval()


def export(net, x, path):
    """The batch axis is open; what else there is is not."""
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(net, (x,), dynamic_shapes=shapes)
    torch.export.save(program, path)
    torch.export.save(program.run_decompositions(), path.with_suffix(".core.pt2"))
    # Without the optimisations that merge batch normalisations into convolutions, whose parameters would be others
    options = {"dynamic_shapes": shapes, "dynamo": True, "optimize": False, "external_data": False}
    torch.onnx.export(net, (x,), str(path.with_suffix(".onnx")), **options, verbose=False)


def outputs_of(result):
    return list(result.values()) if isinstance(result, dict) else [result]


def jacobians(net, parameters, x):
    """Example after example, as not all layers have batching rules."""

    def of_one(p, example):
        outputs = outputs_of(functional_call(net, p, (example.unsqueeze(0),)))
        return torch.cat([output.reshape(-1) for output in outputs])

    rows = [jacrev(of_one)(parameters, example) for example in x]
    return {name: torch.stack([row[name] for row in rows]) for name in parameters}


def expect(name, net, x, y):
    """In float64, where the weights are those of float32."""
    net = net.double()
    x, y = (each.double() if each.is_floating_point() else each for each in (x, y))
    results = {f"{name}<": x, f"{name}>": y}
    results.update({f"{name}={index}": output for index, output in enumerate(outputs_of(net(x)))})
    parameters = {key: value.detach() for key, value in net.named_parameters() if value.requires_grad}
    rows, columns = (jacobians(net, parameters, each) for each in (x, y))
    results.update({f"{name}:{key}": block for key, block in rows.items()})
    results[f"{name}!"] = sum(
        torch.einsum("nok,mpk->nmop", rows[key].flatten(2), columns[key].flatten(2)) for key in parameters
    )
    return results


def main(folder):
    folder = Path(folder)
    results = {}
    for name, (make, examples) in NETS.items():
        torch.manual_seed(7)
        net = randomised(make())
        x, y = examples(3), examples(2)
        export(net, x, folder / f"{name}.pt2")
        results.update(expect(name, net, x, y))
    np.savez(folder / "expected.npz", **{key: value.detach().double().numpy() for key, value in results.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
