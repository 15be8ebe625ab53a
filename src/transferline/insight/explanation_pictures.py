"""The pictures on the page of explanations."""

import base64
import io

import numpy as np
from PIL import Image

from transferline.arrays import Float32s, Pixels
from transferline.datasets.images import read_image
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.insight.explanation import ExplainedModel
from transferline.insight.neighbours import Neighbour

SMALL = 160  # pixels, of a training image
HEAT = (255, 90, 0)
STRONGEST = 0.75  # opacity of the colour at the peak


def heat_picture(picture: Pixels, heat: Float32s) -> Pixels:
    """Returns the picture in grey with the positive values of a heat map in colour, most opaque at the peak.

    Args:
        picture: (size, size, channels) uint8.
        heat: (height, width) float32.

    Returns:
        (size, size, 3) uint8.
    """
    size = picture.shape[0]
    positive = Image.fromarray(np.maximum(heat, 0) / max(float(heat.max()), np.finfo(np.float32).tiny))
    opacity = np.asarray(positive.resize((size, size), Image.Resampling.BILINEAR))[..., None] * STRONGEST
    grey = picture.mean(axis=2, keepdims=True)
    colored: Pixels = (grey * (1 - opacity) + np.array(HEAT) * opacity).astype(np.uint8)
    return colored


def neighbour_picture(model: ExplainedModel, neighbour: Neighbour) -> str:
    """Returns the image of a neighbour for a page; empty if its file is missing, damaged, or has other content now."""
    file = model.raw / neighbour.path if model.raw else None
    if not file or not file.is_file() or file_sha256(file) != neighbour.sha256:
        return ""
    try:
        return inline(read_image(file, model.card.image.model_copy(update={"size": SMALL}), model.card.max_pixels))
    except TransferlineError:
        return ""


def inline(picture: Pixels) -> str:
    """Returns a picture, (height, width, 1 or 3) uint8, as the address of an image that is part of the page."""
    content = io.BytesIO()
    Image.fromarray(picture.squeeze(axis=2) if picture.shape[2] == 1 else picture).save(content, "JPEG", quality=88)
    return data_uri(content.getvalue(), "jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """Returns the bytes of an image file of a kind, such as png, as an address that contains the image."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
