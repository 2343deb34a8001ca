"""What a person reads while a training runs."""

import time
from collections.abc import Callable

from pipeline.train.config import TrainingConfig
from pipeline.train.state import State

Say = Callable[[str], None]


class Progress:
    """Says a line every few seconds: epoch, step, samples/s, loss, accuracy, time left."""

    def __init__(self, training: TrainingConfig, steps: int, say: Say, *, every_seconds: float = 5.0) -> None:
        self.training, self.steps, self.say, self.every_seconds = training, steps, say, every_seconds
        self.began = self.said = time.monotonic()
        self.done = 0  # samples since this process began, for the rate

    def step(self, state: State, samples: int) -> None:
        """After each step; the last of an epoch is always said."""
        self.done += samples
        now = time.monotonic()
        if now - self.said >= self.every_seconds or state.step == self.steps:
            self.said = now
            self.say(self._line(state, self.done / max(now - self.began, 1e-9)))

    def _line(self, state: State, rate: float) -> str:
        epochs = self.training.epochs
        steps_left = (epochs - state.epoch) * self.steps - state.step
        left = steps_left * self.training.batch_size / rate
        return (
            f"epoch {state.epoch + 1}/{epochs}  step {state.step}/{self.steps}  {rate:,.0f} samples/s  "
            f"loss {state.loss_sum / state.seen:.4f}  accuracy {100 * state.correct / state.seen:.2f} %  "
            f"left {duration(left)}"
        )


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as 1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
