"""A dataset and a network so small that a training takes seconds."""

from models.config import NetworkConfig
from pipeline.train.config import TrainingConfig

NETWORK = NetworkConfig(
    blocks=1,
    width=2,
    time_steps=2,
    leak=0.8744,
    normalization="bntt",
    shortcut="spike-add",
    surrogate="triangle",
    reset="subtract",
    encoding="direct",
    readout="mean-voltage",
)
TRAINING = TrainingConfig(
    epochs=2,
    batch_size=10,
    shards=2,
    threads=1,
    learning_rate=0.026844,
    momentum=0.9,
    weight_decay=1e-4,
    decay_after=(70, 80, 90),
    drop_last=False,
    augmentation="none",
    pixel_mean=(),
    pixel_std=(),
    selection="last",
    validation_percent=0,
    test_each_epoch=False,
)
