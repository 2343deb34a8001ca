"""The numbers of a training for TensorBoard, where the extra `tensorboard` is installed."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.train.progress import GAUGES, ProgressReport


class Scalars:
    """Writes reports to an event file in a folder; does nothing without TensorBoard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None
        """Opened with the first report: until then this is sent to another process."""

    def add(self, report: ProgressReport) -> None:
        """Adds the numbers at their step. The first step of a process hides what one before it wrote from there on."""
        if (writer := summary_writer()) is None:
            return
        step = (report.epoch - 1) * report.steps + report.step
        if self._writer is None:
            self._writer = writer(str(self.folder), purge_step=step)
        for name in GAUGES:
            self._writer.add_scalar(name, getattr(report, name), step)
        self._writer.flush()  # a process that is killed closes nothing


@cache
def summary_writer() -> Any:
    """TensorBoard's writer, or None."""
    if find_spec("tensorboard") is None:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter  # half a second to import
    except ImportError:  # a broken install must not end a training
        return None

    return SummaryWriter
