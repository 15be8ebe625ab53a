"""The size and speed of each backbone whose weights are on this machine, measured once and kept in the user's cache."""

import json
import time
from typing import NamedTuple

import numpy as np

from transferline.code_versions import code_of
from transferline.models.converted import read_converted, write_converted
from transferline.models.lite import LiteGraph
from transferline.params.backbone_names import BACKBONES
from transferline.progress import say
from transferline.quiet import quiet_imports
from transferline.weights_on_this_machine import has_imagenet_weights

REPEATS = 5
FILE = "size.json"


class BackboneSize(NamedTuple):
    """Sizes of a backbone without its top.

    Attributes:
        side: of the images of its training on ImageNet, in pixels.
        parameters: the number of its weights.
        megabytes: of its exported file.
        milliseconds: for one image of that side with LiteRT on this machine, the fastest of some calls.
    """

    side: int
    parameters: int
    megabytes: float
    milliseconds: float


def backbone_table() -> str:
    """Returns the sizes of all backbones whose weights are on this machine, as lines for the terminal."""
    lines = [f"{'backbones on this machine':<28}{'native px':>10}{'parameters':>14}{'MB':>8}{'ms an image':>14}"]
    for name in filter(has_imagenet_weights, BACKBONES):
        size = backbone_size(name)
        numbers = f"{size.side:>10}{size.parameters:>14,}{size.megabytes:>8.1f}{size.milliseconds:>14.1f}"
        lines.append(f"  {name:<26}{numbers}")
    return "\n".join(lines)


def backbone_size(name: str) -> BackboneSize:
    """Returns the sizes of a backbone, from the user's cache folder, or measured now with random weights."""
    key = {"what": "size", "name": name, "code": code_of("transferline.models.backbones")}
    kept = read_converted(key)
    if kept is None:
        say(f"measuring {name}, once on this machine")
        kept = {FILE: json.dumps(_measure(name)).encode()}
        write_converted(key, kept)
    return BackboneSize(*json.loads(kept[FILE]))


def _measure(name: str) -> BackboneSize:
    with quiet_imports():
        from transferline.models.backbones import construct
        from transferline.models.convert import convert

    side = BACKBONES[name].native_side
    network = construct(name, include_top=False, weights=None, input_shape=(side, side, 3))
    content = convert(network, name)
    graph, image, times = LiteGraph(content), np.zeros((1, side, side, 3), np.float32), []
    for _ in range(1 + REPEATS):  # the first call prepares the memory
        start = time.perf_counter()
        graph.run([image])
        times.append(1000 * (time.perf_counter() - start))
    return BackboneSize(side, network.count_params(), len(content) / 1e6, min(times))
