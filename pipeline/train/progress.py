"""Progress of a running training: a line for people, numbers for programs."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.protocol.config import TrainingConfig
from pipeline.train.state import State


@dataclass(frozen=True, kw_only=True)
class ProgressReport:
    """Progress of a training; loss and accuracy are over the samples of this epoch so far."""

    epoch: int
    """Counted from 1."""
    epochs: int
    step: int
    steps: int
    """Steps per epoch."""
    samples_per_second: float
    step_seconds: float
    loss: float
    accuracy: float
    """Percent."""
    seconds_left: float

    def __str__(self) -> str:
        rate, left = f"{self.samples_per_second:,.0f} samples/s", duration(self.seconds_left)
        return (
            f"epoch {self.epoch}/{self.epochs}  step {self.step}/{self.steps}  {rate}  "
            f"loss {self.loss:.4f}  accuracy {self.accuracy:.2f} %  left {left}"
        )


GAUGES = {
    "samples_per_second": "Training samples a second, all workers together",
    "step_seconds": "Mean time of a step of this epoch",
    "loss": "Mean over the samples of this epoch so far",
    "accuracy": "Percent of the samples of this epoch so far",
}
"""Fields of a report that TensorBoard shows, and that Ray exports as sresnet_<field>, by run, where their packages are
installed."""

REPORT_LINE = re.compile(r"(epoch \d+/\d+)  step (\d+)/(\d+)  (.+) samples(/s  .+)")


def on_terminal(line: str) -> tuple[str, bool]:
    """A log line shortened to fit 80 columns, and whether the next line should overwrite it (same epoch)."""
    found = REPORT_LINE.search(line)
    if found is None:
        return line, False
    epoch, step, steps, rate, rest = found.groups()
    return f"{epoch}  {step}/{steps}  {rate}{rest}", step != steps


Say = Callable[[str | ProgressReport], None]


class Progress:
    """Calls `say` with a report every few seconds: epoch, step, samples/s, loss, accuracy, time left."""

    def __init__(self, training: TrainingConfig, steps: int, say: Say, *, every_seconds: float = 5.0) -> None:
        self.training, self.steps, self.say, self.every_seconds = training, steps, say, every_seconds
        self.began = self.reported = time.monotonic()
        self.done = self.done_steps = 0  # since the clock was started, for the rates
        self.first = True

    def due(self, step: int, samples: int) -> bool:
        """Whether to report now; call after each step (counted from 1) with its number of samples.

        The last step of an epoch is always reported. The first step may compile kernels, so the clock starts after it.
        """
        now = time.monotonic()
        if self.first and step != self.steps:
            self.first, self.began, self.reported = False, now, now
            return False
        self.done += samples
        self.done_steps += 1
        return now - self.reported >= self.every_seconds or step == self.steps

    def report(self, state: State) -> None:
        """Says where the training is; its losses and counts have to be those of the last step."""
        self.reported = now = time.monotonic()
        self.say(self._report(state, max(now - self.began, 1e-9)))

    def _report(self, state: State, seconds: float) -> ProgressReport:
        epochs, rate = self.training.epochs, self.done / seconds
        steps_left = (epochs - state.epoch) * self.steps - state.step
        return ProgressReport(
            epoch=state.epoch + 1,
            epochs=epochs,
            step=state.step,
            steps=self.steps,
            samples_per_second=rate,
            step_seconds=seconds / self.done_steps,
            loss=state.loss_sum / state.seen,
            accuracy=100 * state.correct / state.seen,
            seconds_left=steps_left * self.training.batch_size / rate,
        )


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as 1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
