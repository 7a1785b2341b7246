"""Small images with a caption each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.figures.style import DANGER, STYLE, matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WRONG_TEXT = "#8c2f2f"


def gallery_figure(
    images: ArrayLike, captions: Sequence[str], marked: Collection[int] = (), columns: int = 12
) -> Figure:
    """Draw images in rows, each under its caption.

    images: (images, height, width); large values are dark.
    captions: one for each image.
    marked: places, from 0, of the images that get a red frame.
    columns: images in a row, 1 or more.

    Returns the figure.
    Raises ShapeMismatch where images and captions do not match, ParameterError for columns below 1, ExtraMissing
    without matplotlib.

    >>> figure = gallery_figure(np.eye(4)[None].repeat(3, axis=0), ["1", "2 (7)", "3"], marked={1}, columns=3)
    >>> [axes.get_title() for axes in figure.axes]
    ['1', '2 (7)', '3']
    """
    pictures = np.asarray(images, dtype=np.float64)
    if pictures.ndim != 3 or 0 in pictures.shape or len(captions) != len(pictures):
        raise ShapeMismatch(
            "gallery_figure", pictures.shape, f"({len(captions)}, height, width), an image for each caption, not empty"
        )
    if columns < 1:
        raise ParameterError(f"columns must be 1 or more, not {columns}.", "Give for instance 12.")
    rows = -(-len(pictures) // columns)
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 7.5 / columns * 1.32 * rows), layout="constrained")
        low, high = float(pictures.min()), float(pictures.max())
        for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(visible=False)
            axes.spines[:].set_visible(place in marked)
            if place >= len(pictures):
                continue
            axes.imshow(pictures[place], cmap="Greys", vmin=low, vmax=high)
            axes.set_title(captions[place], fontsize=9, pad=3, color=_WRONG_TEXT if place in marked else "black")
            if place in marked:
                axes.spines[:].set(color=_WRONG_TEXT, linewidth=2)
                axes.set_facecolor(DANGER)
        return figure
