"""Decodes an image file into pixels. Each mode has a conversion rule here, or is refused with an error.

- 16-bit grey: v / 257, rounded to nearest, so that 0 to 65535 map to 0 to 255. For 16-bit colour, and 16-bit grey with
  alpha, Pillow keeps the higher byte.
- Alpha, also in palettes: composited on white. The colour of a fully transparent pixel is ignored.
- Grey, 1 bit and palette: converted to their colours. CMYK: in Adobe's form, by Pillow's formula. Colour profiles are
  ignored.
- The EXIF orientation is applied.
"""

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from pipeline.ground.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""Supported formats; others, such as EPS, run external programs or have values without a rule."""
GROUND = "white"
"""Colour under transparent pixels."""
OPAQUE_MODES = ("1", "L", "P", "RGB", "CMYK")
"""Pillow's modes that convert to RGB as they are."""


def decode_image(content: bytes, where: str) -> npt.NDArray[np.uint8]:
    """Pixels (3, H, W) of an image file; `where` names it in errors. Raises InputError."""
    try:
        with _opened(content) as image:
            pixels = np.asarray(_rgb(image, where))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{where}: not a complete image in {', '.join(FORMATS)}; convert or replace it") from None
    except Exception as error:  # Pillow's formats raise different exceptions for damage
        raise InputError(f"{where}: not a complete image ({error}); replace it or leave it out") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _opened(content: bytes) -> ImageFile.ImageFile:
    with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _rgb(file: ImageFile.ImageFile, where: str) -> Image.Image:
    if getattr(file, "is_animated", False):
        raise InputError(f"{where}: a {file.format} with several pictures; keep one of them")
    if _has_transparency_of_other_depth(file):
        raise InputError(
            f"{where}: a PNG with a transparent colour (tRNS) not in 8 bits; write it with an alpha channel"
        )
    if file.format == "BMP" and "X" in str(file.tile[0].args):
        raise InputError(f"{where}: a 32-bit BMP, whose alpha channel cannot be read; write it as PNG")
    image = ImageOps.exif_transpose(file)
    if image.mode == "I;16":
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, GROUND), image).convert("RGB")
    if image.mode not in OPAQUE_MODES:
        raise InputError(f"{where}: mode {image.mode} has no rule; convert it to 8-bit grey, RGB or RGBA")
    return image.convert("RGB")


def _has_transparency_of_other_depth(image: ImageFile.ImageFile) -> bool:
    """Whether a PNG's transparent colour (tRNS) has another bit depth than the pixels that Pillow decodes."""
    if image.format != "PNG" or "transparency" not in image.info or image.mode in ("1", "P"):
        return False
    return bool(image.tile[0].args != image.mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
