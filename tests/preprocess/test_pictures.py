"""Each kind of image file gives the pixels of its documented rule, or an error that names the kind."""

import io
import struct
import subprocess
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image, features

from pipeline.ground.errors import InputError
from pipeline.preprocess import pictures
from pipeline.preprocess.pictures import FORMATS, decode_image

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)
Colour = tuple[int, ...]


def written(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    with io.BytesIO() as memory:
        image.save(memory, form, **options)
        return memory.getvalue()


def pixels(content: bytes) -> npt.NDArray[np.uint8]:
    """Height, width, channels."""
    return decode_image(content, "row 3").transpose(1, 2, 0)


def colours(content: bytes) -> list[Colour]:
    """The colours of the first row."""
    return [tuple(colour) for colour in pixels(content)[0].tolist()]


def error_of(content: bytes) -> str:
    with pytest.raises(InputError) as error:
        decode_image(content, "row 3")
    return str(error.value)


def png(depth: int, kind: int, rows: bytes, *, width: int, clear: bytes | None = None) -> bytes:
    """A PNG of one row, of depths and clear values that Pillow does not write."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0))]
    chunks += [] if clear is None else [(b"tRNS", clear)]
    chunks += [(b"IDAT", zlib.compress(b"\0" + rows)), (b"IEND", b"")]
    body = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_16_bit_grey_is_scaled_to_8_bits_and_not_clipped() -> None:
    values = np.array([[0, 128, 129, 16250, 32767, 49250, 65406, 65407, 65535]], np.uint16)
    found = colours(written(Image.fromarray(values)))
    assert [grey for grey, _, _ in found] == [0, 0, 1, 63, 127, 192, 254, 255, 255]
    assert all(len(set(colour)) == 1 for colour in found)


def test_16_bit_grey_keeps_its_mean_and_the_8_bits_that_it_was_made_of() -> None:
    values = np.random.default_rng(0).integers(16000, 16500, (64, 64)).astype(np.uint16)
    assert abs(pixels(written(Image.fromarray(values))).mean() - values.mean() / 257) < 0.01
    eight = np.arange(256)[None]
    back = pixels(written(Image.fromarray((eight * 257).astype(np.uint16))))[:, :, 0]
    np.testing.assert_array_equal(back, eight)


def test_of_16_bit_colours_the_higher_byte_counts() -> None:
    values = struct.pack(">6H", 0, 0x12FF, 0xFFFF, 0x3400, 0x8001, 0x00FF)
    assert colours(png(16, 2, values, width=2)) == [(0, 0x12, 0xFF), (0x34, 0x80, 0)]


@pytest.mark.parametrize("hidden", [BLACK, RED, (1, 2, 3)])
def test_what_a_clear_pixel_hides_is_white(hidden: Colour) -> None:
    image = Image.new("RGBA", (2, 2), (*hidden, 0))
    for form in ("PNG", "WEBP"):
        content = written(image, form, **({"lossless": True, "exact": True} if form == "WEBP" else {}))
        assert pixels(content).min() == 255


def test_alpha_is_laid_on_white() -> None:
    image = Image.fromarray(np.array([[[0, 0, 0, alpha] for alpha in range(256)]], np.uint8))
    assert [grey for grey, _, _ in colours(written(image))] == [255 - alpha for alpha in range(256)]


def test_opaque_colours_keep_their_values() -> None:
    grey = np.arange(256, dtype=np.uint8)
    image = Image.fromarray(np.stack([grey, grey[::-1], grey // 2, np.full(256, 255, np.uint8)], axis=-1)[None])
    np.testing.assert_array_equal(pixels(written(image)), np.asarray(image)[:, :, :3])


def test_grey_with_alpha_is_laid_on_white() -> None:
    image = Image.fromarray(np.array([[[0, 255], [0, 0], [90, 255]]], np.uint8), "LA")
    assert colours(written(image)) == [BLACK, WHITE, (90, 90, 90)]


def palette(**info: Any) -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([*RED, *BLACK, 9, 8, 7])
    image.info |= info
    return image


@pytest.mark.parametrize(
    ("transparency", "expected"),
    [
        (None, [RED, BLACK, (9, 8, 7)]),
        (0, [WHITE, BLACK, (9, 8, 7)]),
        (b"\xff\x00\xff", [RED, WHITE, (9, 8, 7)]),
        (b"\xff\x80", [RED, (127, 127, 127), (9, 8, 7)]),
    ],
)
def test_a_palette_gives_its_colours_and_clear_ones_white(transparency: Any, expected: list[Colour]) -> None:
    info = {} if transparency is None else {"transparency": transparency}
    assert colours(written(palette(), **info)) == expected


@pytest.mark.parametrize("info", [{}, {"transparency": 0}])
def test_a_gif_of_one_picture_is_read(info: dict[str, Any]) -> None:
    assert colours(written(palette(), "GIF", **info)) == [WHITE if info else RED, BLACK, (9, 8, 7)]


@pytest.mark.parametrize(
    ("depth", "row", "expected"),
    [(1, b"\x40", [0, 255, 0]), (2, b"\x1b", [0, 85, 170, 255]), (4, b"\x07\xf0", [0, 119, 255])],
)
def test_few_bits_of_grey_are_spread_from_black_to_white(depth: int, row: bytes, expected: list[int]) -> None:
    assert [grey for grey, _, _ in colours(png(depth, 0, row, width=len(expected)))] == expected


@pytest.mark.parametrize(
    ("depth", "kind", "row", "clear", "expected"),
    [
        (8, 0, b"\x05\x06", b"\0\x05", [WHITE, (6, 6, 6)]),
        (8, 2, b"\x01\x02\x03\x04\x05\x06", b"\0\x01\0\x02\0\x03", [WHITE, (4, 5, 6)]),
        (1, 0, b"\x40", b"\0\0", [WHITE, WHITE]),
    ],
)
def test_a_clear_value_is_white(depth: int, kind: int, row: bytes, clear: bytes, expected: list[Colour]) -> None:
    assert colours(png(depth, kind, row, width=2, clear=clear)) == expected


@pytest.mark.parametrize(
    ("depth", "kind", "row", "clear"),
    [(2, 0, b"\x10", b"\0\x01"), (16, 0, b"\0\1\0\2", b"\0\x01"), (16, 2, b"\0\1\0\2\0\3" * 2, b"\0\1\0\2\0\3")],
)
def test_a_clear_value_that_pillow_does_not_find_again_is_refused(
    depth: int, kind: int, row: bytes, clear: bytes
) -> None:
    expected = "row 3: a PNG with a transparent colour (tRNS) not in 8 bits; write it with an alpha channel"
    assert error_of(png(depth, kind, row, width=2, clear=clear)) == expected


def test_cmyk_and_ycbcr_are_converted() -> None:
    for mode, expected in (("CMYK", [255, 127, 0]), ("YCbCr", [255, 127, 0])):
        image = Image.new("RGB", (16, 16), tuple(expected)).convert(mode)
        found = pixels(written(image, "JPEG", quality=100, subsampling=0))
        assert np.abs(found.astype(int) - expected).max() <= 3


UPRIGHT = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_the_orientation_of_exif_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = written(Image.fromarray(np.ascontiguousarray(STORED[orientation])), exif=exif)
    np.testing.assert_array_equal(pixels(content)[:, :, 0], UPRIGHT)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_several_pictures_in_one_file_are_refused(form: str) -> None:
    images = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLACK)]
    content = written(images[0], form, save_all=True, append_images=images[1:])
    assert error_of(content) == f"row 3: a {form} with several pictures; keep one of them"


def test_a_jpeg_of_several_pictures_is_refused() -> None:
    images = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLACK)]
    content = written(images[0], "MPO", save_all=True, append_images=images[1:])
    assert error_of(content) == "row 3: a MPO with several pictures; keep one of them"


@pytest.mark.parametrize("form", ["EPS", "TIFF", "PPM", "ICO", "TGA", "PCX", "PDF"])
def test_other_formats_are_refused_without_starting_a_program(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    text = error_of(written(Image.new("RGB", (16, 16)), form))
    assert text == "row 3: not a complete image in PNG, JPEG, WEBP, BMP, GIF; convert or replace it"


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_a_mode_without_a_rule_is_refused_by_its_name(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(Image.new(mode, (4, 4)), "TIFF")
    assert error_of(content).startswith("row 3: not a complete image in PNG")
    monkeypatch.setattr(pictures, "FORMATS", ("TIFF",))
    assert error_of(content) == f"row 3: mode {mode} has no rule; convert it to 8-bit grey, RGB or RGBA"


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_that_is_opened_is_read(form: str) -> None:
    assert form != "WEBP" or features.check("webp")
    image = Image.new("RGB", (8, 8), (200, 200, 200))
    assert pixels(written(image, form)).shape == (8, 8, 3)
    assert np.abs(pixels(written(image, form)).astype(int) - 200).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000)])
def test_an_image_of_too_many_pixels_is_refused_before_they_are_made(width: int, height: int) -> None:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    small = png(8, 0, b"\0", width=1)
    text = error_of(small[:8] + chunk + small[8 + len(chunk) :])
    assert text.startswith(f"row 3: not a complete image (Image size ({width * height} pixels) exceeds limit")


def test_a_bmp_of_32_bits_is_refused_since_its_alpha_is_not_read() -> None:
    assert "a 32-bit BMP" in error_of(written(Image.new("RGBA", (2, 2), (9, 8, 7, 0)), "BMP"))
    assert colours(written(Image.new("RGB", (1, 1), (9, 8, 7)), "BMP")) == [(9, 8, 7)]
