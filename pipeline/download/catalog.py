"""The catalog of datasets for params.yaml: where each is published, what it contains, and its title in reports."""

from dataclasses import dataclass, replace
from typing import Literal

DataKind = Literal["images", "recordings"]
Decoder = Literal["digits", "cifar10", "cifar100", "parquet", "image files", "recordings", "shards"]
DIGITS = tuple("0123456789")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, kw_only=True)
class File:
    """A file as its publisher serves it."""

    name: str
    urls: tuple[str, ...]
    """Addresses of the same bytes, tried in this order."""
    md5: str
    """Hexadecimal MD5; tonic, torchvision and SpikingJelly pin the same one."""


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """Expected digests of an embedded dataset; for digits-dvs, with the camera of profile quick."""

    files: str
    """Digest of its files (title.files_digest)."""
    sample_shape: tuple[int, ...]
    """Shape of the samples for which `rows` holds."""
    rows: dict[str, str]
    """Digest of the samples of each split."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a dataset before it is downloaded."""

    title: str
    """Its title in every report."""
    kind: DataKind
    origin: Literal["embedded", "published", "user"]
    """embedded: made from installed packages; published: has `files`; user: `source` in params.yaml names the
    folder."""
    files: tuple[File, ...]
    pinned: Pinned | None
    """None unless the dataset is embedded."""
    decoder: Decoder
    suffixes: tuple[str, ...]
    """Suffixes of the files with samples; empty if the decoder reads the archive itself."""
    orientation: Literal["cifar10-dvs"] | None
    """Rule of recordings.orient; None: x, y and polarity as in the files."""
    sensor: tuple[int, int] | None
    """Width and height (pixels) of published recordings that do not say them and differ from their format's usual."""
    classes: tuple[str, ...] | None
    """Class names in the order of the labels; None if the data contains them."""
    class_from: Literal["folder", "file name"] | None
    """folder: the folder name is the class; file name: its stem is the label number; None: the decoder gives it."""
    counts: dict[str, int] | None
    """Published number of samples per folder (recordings) or split (images)."""
    splits: tuple[str, ...]
    """Split rules that preprocess accepts; the user's own class folders can also be split by folders."""
    official: tuple[str, str] | None
    """Training and test folders of the rule "official"; None if the decoder gives the split."""
    licence: str
    citation: str
    note: str | None
    """Remark that every report adds to the title."""

    @property
    def sample(self) -> str:
        """What errors call one sample: image or recording."""
        return self.kind.removesuffix("s")

    @property
    def channels(self) -> int:
        """Of its samples: two polarities, or RGB, in which images are read; the digits are grey."""
        if self.kind == "recordings":
            return 2
        return 1 if self.decoder == "digits" else 3


def _figshare(number: int) -> tuple[str, ...]:
    """The three addresses of a figshare file; figshare's web firewall blocks some clients at some of them."""
    return (
        f"https://api.figshare.com/v2/file/download/{number}",
        f"https://ndownloader.figshare.com/files/{number}",
        f"https://figshare.com/ndownloader/files/{number}",
    )


def _mendeley(dataset: str, file: str) -> tuple[str, ...]:
    return (f"https://data.mendeley.com/public-files/datasets/{dataset}/files/{file}/file_downloaded",)


def _toronto(name: str) -> tuple[str, ...]:
    return (f"https://www.cs.toronto.edu/~kriz/{name}",)


_DIGITS_LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"
_DIGITS_CITATION = "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998, doi 10.24432/C50P49"
_CIFAR_CITATION = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
_CIFAR10_DVS_LICENCE = "CC BY 4.0 (figshare)"
_CIFAR10_DVS_CITATION = (
    "Li et al., CIFAR10-DVS: An Event-Stream Dataset for Object Classification, 2017, doi 10.3389/fnins.2017.00309"
)
_ORCHARD = (
    "Orchard et al., Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades, 2015, "
    "doi 10.3389/fnins.2015.00437"
)


def _own(kind: DataKind, decoder: Decoder, suffixes: tuple[str, ...], *, split: str) -> Entry:
    """The entry of the user's own data."""
    return Entry(
        title=f"the user's {kind}",
        kind=kind,
        origin="user",
        files=(),
        pinned=None,
        decoder=decoder,
        suffixes=suffixes,
        orientation=None,
        sensor=None,
        classes=None,
        class_from=None if decoder == "parquet" else "folder",
        counts=None,
        splits=(split,),
        official=None,
        licence="the user's",
        citation="the user's",
        note="not a published dataset: its numbers stand beside no published ones",
    )


CATALOG: dict[str, Entry] = {
    "digits": Entry(
        title="Digits",
        kind="images",
        origin="embedded",
        files=(),
        pinned=Pinned(
            files="e83ef456cabd17ea9f4c1e211f0b6d068499c5514e019d0f7643e355f23c8e60",
            sample_shape=(1, 32, 32),
            rows={
                "train": "e09d848c69c5f69a30e79aaa71ff9f3b1ec1a620375ccf0fbb37823acd82b9bd",
                "test": "c54369422cce7b8d52e096b544b1470e6a9c40af26299c31cb861920db725874",
            },
        ),
        decoder="digits",
        suffixes=(),
        orientation=None,
        sensor=None,
        classes=DIGITS,
        class_from=None,
        counts=None,
        splits=("every-fifth-tests",),
        official=None,
        licence=_DIGITS_LICENCE,
        citation=_DIGITS_CITATION,
        note=None,
    ),
    "digits-dvs": Entry(
        title="Digits-DVS (simulated)",
        kind="recordings",
        origin="embedded",
        files=(),
        pinned=Pinned(
            files="01c474da31dafdfb7331dafe40a50f5b0475c835275e1afc7b3c5227563da670",
            sample_shape=(8, 2, 64, 64),
            rows={
                "train": "be85542ab1db10bd0116d645aabace7c75a7bf84ffde5cd5fe20edbbc3c6e422",
                "test": "c9d072f90fb319d24d17d936deea87600fcdb34fdcb3c99f6121de58d180b493",
            },
        ),
        decoder="recordings",
        suffixes=(".aedat",),
        orientation=None,
        sensor=None,
        classes=DIGITS,
        class_from="folder",
        counts=None,
        splits=("every-fifth-tests",),
        official=None,
        licence=_DIGITS_LICENCE,
        citation=_DIGITS_CITATION,
        note="simulated: no camera recorded these events",
    ),
    "cifar10": Entry(
        title="CIFAR-10",
        kind="images",
        origin="published",
        files=(
            File(
                name="cifar-10-python.tar.gz",
                urls=_toronto("cifar-10-python.tar.gz"),
                md5="c58f30108f718f92721af3b95e74349a",
            ),
        ),
        pinned=None,
        decoder="cifar10",
        suffixes=(),
        orientation=None,
        sensor=None,
        classes=CIFAR10_CLASSES,
        class_from=None,
        counts={"train": 50_000, "test": 10_000},
        splits=("official",),
        official=None,
        licence="not stated by the publisher",
        citation=_CIFAR_CITATION,
        note=None,
    ),
    "cifar100": Entry(
        title="CIFAR-100",
        kind="images",
        origin="published",
        files=(
            File(
                name="cifar-100-python.tar.gz",
                urls=_toronto("cifar-100-python.tar.gz"),
                md5="eb9058c3a382ffc7106e4002c42a8d85",
            ),
        ),
        pinned=None,
        decoder="cifar100",
        suffixes=(),
        orientation=None,
        sensor=None,
        classes=None,
        class_from=None,
        counts={"train": 50_000, "test": 10_000},
        splits=("official",),
        official=None,
        licence="not stated by the publisher",
        citation=_CIFAR_CITATION,
        note=None,
    ),
    "cifar10-dvs": Entry(
        title="CIFAR10-DVS",
        kind="recordings",
        origin="published",
        files=(
            File(name="airplane.zip", urls=_figshare(7712788), md5="0afd5c4bf9ae06af762a77b180354fdd"),
            File(name="automobile.zip", urls=_figshare(7712791), md5="8438dfeba3bc970c94962d995b1b9bdd"),
            File(name="bird.zip", urls=_figshare(7712794), md5="a9c207c91c55b9dc2002dc21c684d785"),
            File(name="cat.zip", urls=_figshare(7712812), md5="52c63c677c2b15fa5146a8daf4d56687"),
            File(name="deer.zip", urls=_figshare(7712815), md5="b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
            File(name="dog.zip", urls=_figshare(7712818), md5="f379ebdf6703d16e0a690782e62639c3"),
            File(name="frog.zip", urls=_figshare(7712842), md5="cad6ed91214b1c7388a5f6ee56d08803"),
            File(name="horse.zip", urls=_figshare(7712851), md5="e7cbbf77bec584ffbf913f00e682782a"),
            File(name="ship.zip", urls=_figshare(7712836), md5="41c7bd7d6b251be82557c6cce9a7d5c9"),
            File(name="truck.zip", urls=_figshare(7712839), md5="89f3922fd147d9aeff89e76a2b0b70a7"),
        ),
        pinned=None,
        decoder="recordings",
        suffixes=(".aedat",),
        orientation="cifar10-dvs",
        sensor=None,
        classes=CIFAR10_CLASSES,
        class_from="folder",
        counts=dict.fromkeys(CIFAR10_CLASSES, 1000),
        splits=("paper",),
        official=None,
        licence=_CIFAR10_DVS_LICENCE,
        citation=_CIFAR10_DVS_CITATION,
        note=None,
    ),
    "cifar10-dvs-aedat4": Entry(
        title="CIFAR10-DVS (tonic's AEDAT 4 re-encoding)",
        kind="recordings",
        origin="published",
        files=(File(name="CIFAR10DVS.zip", urls=_figshare(38023437), md5="ce3a4a0682dc0943703bd8f749a7701c"),),
        pinned=None,
        decoder="recordings",
        suffixes=(".aedat4",),
        orientation=None,
        sensor=None,
        classes=CIFAR10_CLASSES,
        class_from="folder",
        counts=dict.fromkeys(CIFAR10_CLASSES, 1000),
        splits=("paper",),
        official=None,
        licence=_CIFAR10_DVS_LICENCE,
        citation=_CIFAR10_DVS_CITATION,
        note="re-encoded; the paper used the original AEDAT 2.0 recordings",
    ),
    "nmnist": Entry(
        title="N-MNIST",
        kind="recordings",
        origin="published",
        files=(
            File(
                name="train.zip",
                urls=_mendeley("468j46mzdv", "39c25547-014b-4137-a934-9d29fa53c7a0"),
                md5="20959b8e626244a1b502305a9e6e2031",
            ),
            File(
                name="test.zip",
                urls=_mendeley("468j46mzdv", "05a4d654-7e03-4c15-bdfa-9bb2bcbea494"),
                md5="69ca8762b2fe404d9b9bad1103e97832",
            ),
        ),
        pinned=None,
        decoder="recordings",
        suffixes=(".bin",),
        orientation=None,
        sensor=None,
        classes=DIGITS,
        class_from="folder",
        counts={"Train": 60_000, "Test": 10_000},
        splits=("official",),
        official=("Train", "Test"),
        licence="CC BY 4.0 (Mendeley Data)",
        citation=_ORCHARD,
        note=None,
    ),
    "dvs-gesture": Entry(
        title="DVS128 Gesture (tonic's cut recordings, millisecond timestamps)",
        kind="recordings",
        origin="published",
        files=(
            File(
                name="ibmGestureTrain.tar.gz",
                urls=_figshare(38022171),
                md5="3a8f0d4120a166bac7591f77409cb105",
            ),
            File(
                name="ibmGestureTest.tar.gz",
                urls=_figshare(38020584),
                md5="56070e45dadaa85fff82e0fbfbc06de5",
            ),
        ),
        pinned=None,
        decoder="recordings",
        suffixes=(".npy",),
        orientation=None,
        sensor=None,
        classes=(
            "hand clapping",
            "right hand wave",
            "left hand wave",
            "right arm clockwise",
            "right arm counter-clockwise",
            "left arm clockwise",
            "left arm counter-clockwise",
            "arm roll",
            "air drums",
            "air guitar",
            "other gestures",
        ),
        class_from="file name",
        counts={"ibmGestureTrain": 1077, "ibmGestureTest": 264},
        splits=("official",),
        official=("ibmGestureTrain", "ibmGestureTest"),
        licence="CC BY 4.0",
        citation="Amir et al., A Low Power, Fully Event-Based Gesture Recognition System, CVPR 2017",
        note=None,
    ),
    "ncaltech101": Entry(
        title="N-Caltech101",
        kind="recordings",
        origin="published",
        files=(
            File(
                name="Caltech101.zip",
                urls=_mendeley("cy6cvx3ryv", "36b5c52a-b49d-4853-addb-a836a8883e49"),
                md5="66201824eabb0239c7ab992480b50ba3",
            ),
        ),
        pinned=None,
        decoder="recordings",
        suffixes=(".bin",),
        orientation=None,
        sensor=(240, 180),
        classes=None,
        class_from="folder",
        counts={"Caltech101": 8709},
        splits=("every-fifth-tests",),
        official=None,
        licence="CC BY 4.0 (Mendeley Data)",
        citation=_ORCHARD,
        note="its publisher gives no split",
    ),
    "images": _own(
        "images", "image files", (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"), split="every-fifth-tests"
    ),
    "parquet-images": _own("images", "parquet", (".parquet",), split="official"),
    "recordings": _own(
        "recordings",
        "recordings",
        (".aedat", ".aedat4", ".bin", ".dat", ".h5", ".hdf5", ".npy", ".npz", ".raw"),
        split="every-fifth-tests",
    ),
    "parquet-recordings": _own("recordings", "parquet", (".parquet",), split="official"),
    "shards": replace(
        _own("recordings", "shards", (), split="every-fifth-tests"),
        title="the user's shards",
        note="not a published dataset; frames as given: neither recordings nor their conversion are in this chain",
    ),
}
