"""What all figures share: colours, settings, and how they are saved or shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhenn.errors import ExtraMissing, ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXACT, POLYNOMIAL, BAND, DANGER = "#1f4e79", "#c8501e", "#f3e3b3", "#f2c9c9"
"""One colour for each thing, in every figure: the function, its polynomial, the domain, where it goes wrong."""

MEASURED, OTHER = "#333333", "#9a9a9a"
"""What was decrypted, and what it is compared with."""

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "svg.hashsalt": "fhenn",  # the same picture gives the same file
    "svg.fonttype": "path",
}
"""Matplotlib settings of every figure."""

ENDINGS = (".svg", ".png", ".pdf")
"""What `save` can write."""


def matplotlib() -> Any:
    """The package matplotlib. Raises ExtraMissing without it, ParameterError where it rejects MPLBACKEND."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ExtraMissing("plot", "matplotlib") from error
    except ValueError as error:
        raise ParameterError(
            f"matplotlib does not start: {error}.", "Unset MPLBACKEND, or set it to one of those."
        ) from error
    return matplotlib


def check_target(path: Path) -> None:
    """Raise ParameterError for a name that does not end in .svg, .png or .pdf, or for a missing folder."""
    if path.suffix.lower() not in ENDINGS:
        raise ParameterError(f"{path} is not a name of a picture.", "End the name in .svg, .png or .pdf.")
    if not path.parent.is_dir():
        raise ParameterError(f"the folder {path.parent} does not exist.", "Create it first.")


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file.

    figure: of matplotlib.
    path: ends in .svg, .png or .pdf.

    Raises ParameterError for another ending, a missing folder, or a file that cannot be written.
    """
    path = Path(path)
    check_target(path)
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
    with matplotlib().rc_context(STYLE):
        try:
            figure.savefig(path, dpi=150, metadata=metadata)
        except OSError as error:
            raise ParameterError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from error


def show(figure: Figure) -> None:
    """Open a figure in a window and wait until the window is closed.

    figure: of matplotlib.

    Raises ParameterError where there is no display.
    """
    with matplotlib().rc_context(STYLE):
        from matplotlib import pyplot

        no_window = ParameterError("there is no display to open a window on.", "Write a file instead: -o FILE.svg.")
        try:
            window = pyplot.figure(figsize=figure.get_size_inches())
        except ImportError as error:  # a backend that was asked for and cannot run here
            raise no_window from error
        if getattr(window.canvas, "required_interactive_framework", None) is None:  # draws to files only
            pyplot.close(window)
            raise no_window
        # the window was made for a figure of its own: it gets this one in its place
        canvas = window.canvas
        canvas.figure = figure
        figure.set_canvas(canvas)
        pyplot.show()
