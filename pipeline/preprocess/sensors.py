"""The size of a recording's sensor: named by the file, by preprocess.sensor, or usual for the format."""

from pipeline.ground.errors import RecordingError

Sensor = tuple[int, int]
"""Width and height (pixels)."""


def choose_sensor(named: Sensor | None, stated: Sensor | None, where: str, usual: Sensor | None = None) -> Sensor:
    """The sensor that the file names, else the stated one, else the format's usual one.

    Raises RecordingError if there is none, or if the file names another one than stated.
    """
    if named and stated and named != stated:
        raise RecordingError(
            f"{where}: byte 0: the file names a sensor of {named[0]} x {named[1]} pixels, preprocess.sensor is "
            f"{stated[0]} x {stated[1]}; set it to null"
        )
    if found := named or stated or usual:
        return found
    raise RecordingError(
        f"{where}: byte 0: the file does not say how large its sensor is; state its width and height in pixels, in "
        "preprocess.sensor of the dataset or with --sensor of `sresnet inspect`"
    )
