"""The exponential average of a network's weights over the steps of its training."""

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


def update_average(averages: list[Tensor], weights: list[Tensor], decay: float, step: int) -> None:
    """average <- d average + (1 - d) weight, with d = min(decay, (1 + step) / (10 + step)) after step 1, 2, ...

    An average starts as the initial weight; the smaller d of the first steps makes a short training forget it, as
    num_updates does in TensorFlow's ExponentialMovingAverage (Abadi et al. 2016). The idea is from Polyak & Juditsky,
    "Acceleration of Stochastic Approximation by Averaging" (1992).
    """
    get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(averages, weights, step)
