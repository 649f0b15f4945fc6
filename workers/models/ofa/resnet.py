"""The image side of OFA: stages 1–3 of a ResNet, stride 16, 1,024 channels, with BatchNorm folded into the convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workers.models.ofa.layers import Weights, folded_conv

STRIDE = 16


class Bottleneck(nn.Module):
    def __init__(self, w: Weights, name: str, stride: int) -> None:
        super().__init__()
        self.conv1 = folded_conv(w, f"{name}.conv1", f"{name}.bn1", stride=1, padding=0)
        self.conv2 = folded_conv(w, f"{name}.conv2", f"{name}.bn2", stride=stride, padding=1)
        self.conv3 = folded_conv(w, f"{name}.conv3", f"{name}.bn3", stride=1, padding=0)
        self.shortcut: nn.Conv2d | None = None
        if f"{name}.downsample.0.weight" in w:
            self.shortcut = folded_conv(w, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.conv1(x))
        y = F.relu_(self.conv2(y))
        y = self.conv3(y)
        return F.relu_(y.add_(x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    """[B, 3, H, W] normalised, channels_last → [B, (H/16)·(W/16), 1024], row by row."""

    def __init__(self, w: Weights, blocks: tuple[int, int, int], prefix: str = "encoder.embed_images") -> None:
        super().__init__()
        self.stem = folded_conv(w, f"{prefix}.conv1", f"{prefix}.bn1", stride=2, padding=3)
        self.blocks = nn.Sequential(
            *(
                Bottleneck(w, f"{prefix}.layer{stage}.{block}", stride=2 if stage > 1 and block == 0 else 1)
                for stage, count in enumerate(blocks, start=1)
                for block in range(count)
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu_(self.stem(images.contiguous(memory_format=torch.channels_last)))
        x = self.blocks(F.max_pool2d(x, kernel_size=3, stride=2, padding=1))
        patches: Tensor = x.flatten(2).transpose(1, 2)  # a view: the channels already lie innermost
        return patches
