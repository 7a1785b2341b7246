"""`Grid`: images before and after an affine map."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Grid:
    """The images that an affine map takes and makes, features in C order.

    inputs: channels, height and width of what comes in.
    outputs: of what comes out.
    stride: rows and columns of the input from one output to the next.

    >>> first, second = Grid((1, 28, 28), (4, 14, 14), (2, 2)), Grid((4, 14, 14), (8, 14, 14), (1, 1))
    >>> first.then(second)
    Grid(inputs=(1, 28, 28), outputs=(8, 14, 14), stride=(2, 2))
    """

    inputs: Shape
    outputs: Shape
    stride: tuple[int, int]

    def then(self, after: Grid) -> Grid:
        """Of this map and another one after it.

        after: of the images that this one makes.
        """
        rows, columns = (mine * theirs for mine, theirs in zip(self.stride, after.stride, strict=True))
        return Grid(self.inputs, after.outputs, (rows, columns))
