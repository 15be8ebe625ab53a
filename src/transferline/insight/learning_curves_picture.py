"""The picture of learning curves and their forecasts."""

from pathlib import Path
from typing import Any

from transferline.insight.learning_curves import FACTOR
from transferline.plots import BLUE, GREY, ORANGE, picture, short

PICTURE_FILE = "learning_curves.png"
COLUMNS = 3


def plot_learning_curves(found: dict[str, Any], path: Path) -> None:
    """Draws each curve, its forecast and the interval of the forecast; see `learning_curves`."""
    curves = [("all classes: right predictions", found["overall"])]
    curves += [(f"{short(curve['class'])}: recall", curve) for curve in found["classes"]]
    rows = -(-len(curves) // COLUMNS)
    with picture(path, 4 * COLUMNS, 2.8 * rows) as figure:
        axes = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
        for each, (title, curve) in zip(axes, curves, strict=False):
            _plot_curve(each, curve)
            each.set(title=f"{title}: {_points(curve['forecast'])}", xlabel="training images", ylim=(None, 1.02))
            each.title.set_fontsize("small")
            each.grid(alpha=0.3)
        for unused in axes[len(curves) :]:
            unused.set_axis_off()


def _plot_curve(axes: Any, curve: dict[str, Any]) -> None:
    sizes, values, expected = curve["images"], curve["values"], curve["forecast"]
    axes.plot(sizes, values, color=BLUE, marker=".")
    now, then = (sizes[-1], values[-1]), (FACTOR * sizes[-1], values[-1] + expected["gain"])
    axes.plot(*zip(now, then, strict=True), color=ORANGE, linestyle="--")
    ends = [[expected["gain"] - expected["low"]], [expected["high"] - expected["gain"]]]
    axes.errorbar([then[0]], [then[1]], yerr=ends, color=ORANGE, marker="o", capsize=4)
    axes.axvline(sizes[-1], color=GREY, linewidth=0.8)


def _points(expected: dict[str, float]) -> str:
    low, gain, high = (100 * expected[name] for name in ("low", "gain", "high"))
    return f"{expected['more']} more, {gain:+.1f} points [{low:+.1f}, {high:+.1f}]"
