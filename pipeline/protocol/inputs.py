"""Stored pixels as what the network takes in. Shapes: B samples, T time steps, C channels, H height, W width."""

import numpy as np
import torch
from torch import Tensor

from pipeline.protocol.config import TrainingConfig


def prepare(pixels: np.ndarray, scale: float, training: TrainingConfig, device: torch.device) -> Tensor:
    """Float32 input (B, C, H, W) or (B, T, 2, H, W): pixels x scale, images standardized by pixel_mean and pixel_std.

    `scale` is the store's: 1/255 makes images a fraction of full scale, 1/4 makes 2x2 sums of counts their mean.
    """
    values = torch.from_numpy(pixels).to(device).to(torch.float32) * scale
    if not training.pixel_mean:
        return values
    mean = torch.tensor(training.pixel_mean, device=device).view(-1, 1, 1)
    return (values - mean) / torch.tensor(training.pixel_std, device=device).view(-1, 1, 1)
