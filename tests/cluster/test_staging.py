"""Files are copied to a node once and verified."""

import threading
from pathlib import Path

import pytest

from pipeline.cluster import staging
from pipeline.cluster.staging import publish, stage
from pipeline.cluster.storage import Storage, open_storage
from pipeline.ground.errors import InputError


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's own disk."""
    monkeypatch.setattr(staging.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train-0.arrow", "train.json"):
        (folder / name).write_text(name)
    return sorted(folder.iterdir())


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "storage"))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that are fetched or sent from now on."""
    moved: list[str] = []
    for name in ("get", "put"):
        real = getattr(Storage, name)

        def count(self: Storage, *arguments: object, real=real) -> None:  # type: ignore[no-untyped-def]
            moved.append(real.__name__)
            real(self, *arguments)

        monkeypatch.setattr(Storage, name, count)
    return moved


def test_files_are_sent_once_and_fetched_once(
    node: Path, files: list[Path], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = counted(monkeypatch)
    shipment = publish(files, storage)
    assert publish(reversed(files), storage) == shipment
    folders = [stage(shipment) for _ in range(3)]
    assert moved == ["put", "put", "get", "get"]
    assert len(set(folders)) == 1
    assert {path.name: path.read_text() for path in folders[0].iterdir()} == {path.name: path.name for path in files}
    assert (node / f"sresnet-{staging.os.getuid()}").stat().st_mode & 0o777 == 0o700


def test_processes_of_a_node_wait_for_the_first(
    node: Path, files: list[Path], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipment = publish(files, storage)
    moved = counted(monkeypatch)
    threads = [threading.Thread(target=stage, args=(shipment,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved == ["get", "get"]


def test_what_is_damaged_on_the_node_is_fetched_again(node: Path, files: list[Path], storage: Storage) -> None:
    shipment = publish(files, storage)
    path = stage(shipment) / "train-0.arrow"
    path.write_text("train-1.arrow")
    assert (stage(shipment) / "train-0.arrow").read_text() == "train-0.arrow"


def test_what_is_damaged_in_storage_is_one_error(node: Path, files: list[Path], storage: Storage) -> None:
    shipment = publish(files, storage)
    damaged = Path(storage.path(f"files/{dict(shipment.files)['train.json']}"))
    damaged.write_text("train.jsoX")
    with pytest.raises(InputError, match=r"files/[0-9a-f]{64}: damaged, its SHA-256 is .*; remove it from storage"):
        stage(shipment)
    assert not list(node.glob("sresnet-*/staged/*/train.json"))
