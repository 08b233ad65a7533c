"""Pictures of benchmark figures: one panel of bars a comparison.

Knows nothing of what was measured. Where to read next: `suite`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

OURS, THEIRS = "#1f6feb", "#9aa4b2"


def draw(panels: Sequence[tuple[str, dict[str, float]]], path: Path) -> None:
    """Draws messages a second by name, the first of each panel in our colour, into a PNG or SVG file."""
    import matplotlib as mpl  # noqa: PLC0415 - only who asks for a picture waits for it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - see above

    bars = [len(rates) for _, rates in panels]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(8, 0.5 * sum(bars) + 0.9 * len(panels)), squeeze=False, height_ratios=bars
    )
    for axis, (title, rates) in zip(axes[:, 0], panels, strict=True):
        names, values = list(rates), list(rates.values())
        is_ours = [name == "Clarion" or "worker" in name for name in names]
        drawn = axis.barh(names, values, color=[OURS if ours else THEIRS for ours in is_ours], height=0.6)
        axis.bar_label(drawn, labels=[f"{value:,.0f}" for value in values], padding=4)
        axis.invert_yaxis()
        axis.set_title(title, loc="left", fontsize=11)
        axis.set_xlim(0, max(values) * 1.15)
        axis.xaxis.set_visible(False)
        for side in ("top", "right", "bottom"):
            axis.spines[side].set_visible(False)
    figure.suptitle("Messages a second", x=0.01, ha="left", fontsize=13)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
