"""Lists of files that cannot be used."""

from pipeline.ground.errors import by_reason


def test_a_reason_stands_once_before_the_files_that_share_it() -> None:
    errors = [("x: 1.npz", "x: 1.npz: empty"), ("a.npz", "a.npz: torn"), ("y: 1.npz", "y: 1.npz: empty")]
    assert list(by_reason(errors)) == ["  empty:\n    x: 1.npz\n    y: 1.npz", "  a.npz: torn"]


def test_an_error_that_names_what_it_is_about_stays_as_it_is() -> None:
    assert list(by_reason([("a.parquet", "a.parquet#3: torn"), ("b", "disk full")])) == [
        "  a.parquet#3: torn",
        "  disk full",
    ]
