"""Compares NeuroBench's count of synaptic operations, on the step-by-step form of a network, with ours.

    python -m benchmarks.neurobench_operations

NeuroBench 2.3 hooks convolutions and linear layers that are called once per time step, which ours are not.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.forms import S_RESNET38
from benchmarks.step_by_step import StepByStep
from models.sresnet import SResNet
from pipeline.evaluate.observe import work_of
from pipeline.evaluate.operations import Operations, summed_work

Figures = dict[str, float]
"""Mean Effective_MACs, Effective_ACs and Dense per sample."""


def neurobench(model: SResNet, batches: list[Tensor]) -> Figures:
    """NeuroBench's SynapticOperations."""
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel

    indices = iter(range(sum(len(batch) for batch in batches)))
    order = [[next(indices) for _ in batch] for batch in batches]
    samples = TensorDataset(torch.cat(batches), torch.zeros(sum(map(len, batches))))
    loader = DataLoader(samples, batch_sampler=order)
    benchmark = Benchmark(TorchModel(StepByStep(model)), loader, [], [], [[], [SynapticOperations]])
    with torch.no_grad():
        figures: Figures = benchmark.run(quiet=True)["SynapticOperations"]
    return figures


def ours(model: SResNet, batches: list[Tensor]) -> Figures:
    """The same figures from our count."""
    parts = []
    for batch in batches:
        with work_of(model, every=1) as work:
            model.observe(batch)
        parts.append(work)
    samples = sum(len(batch) for batch in batches)
    operations = Operations(steps=model.config.time_steps, layers=summed_work(parts))
    cost = operations.costs()[1]
    return {
        "Effective_MACs": cost.multiply_adds,
        "Effective_ACs": cost.additions,
        "Dense": operations.total()["dense"] / samples,
    }


def main() -> None:
    """Prints both for networks on random images and frames, in float64, where NeuroBench's sums are exact."""
    config = replace(S_RESNET38, blocks=2, width=8, time_steps=4)
    generator = torch.Generator().manual_seed(0)
    for frames in (False, True):
        model = SResNet(config, input_shape=(2 if frames else 3, 32, 32), classes=10, frames=frames)
        model.reset_parameters(generator)
        model.double().eval()
        steps = (config.time_steps,) if frames else ()
        batches = [
            torch.randn(size, *steps, *model.input_shape, generator=generator, dtype=torch.float64) for size in (10, 6)
        ]
        print("event frames" if frames else "images", "of 32 x 32, n = 2, 8 filters, T = 4, a sample:")
        print("  NeuroBench", neurobench(model, batches))
        print("  ours      ", ours(model, batches))


if __name__ == "__main__":
    main()
