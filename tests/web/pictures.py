"""Pictures of the page for the README and the notebooks, as notebooks/images/page-….png.

python tests/web/pictures.py            # `npm ci` in fhenn/web first
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1]
IMAGES = TESTS.parent / "notebooks" / "images"
COLOURS, MOST = 72, 120_000
"""Of a picture, and bytes that it may have."""


def main() -> None:
    """Take all pictures."""
    sys.path[:0] = [str(TESTS / "web")]
    from browsing import Serving, build, try_page, write_setting  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Serving(folder, build(folder / "dist")) as serving:
            out = write_setting(serving, folder / "out")
            try_page(out, "pictures")
        phone = [out / f"page-phone-{part}.png" for part in ("model", "predictions", "server")]
        pictures = {path.stem: Image.open(path).convert("RGB") for path in out.glob("page-*.png") if path not in phone}
        parts = [Image.open(path).convert("RGB") for path in phone]
        row = Image.new(
            "RGB", (sum(each.width + 16 for each in parts) - 16, max(each.height for each in parts)), "white"
        )
        left = 0
        for part in parts:
            row.paste(part, (left, 0))
            left += part.width + 16
        for stem, picture in (pictures | {"page-phone": row}).items():
            path = IMAGES / f"{stem}.png"
            few = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
            few.save(path, optimize=True)
            if path.stat().st_size > MOST:
                raise SystemExit(f"{path.name} has {path.stat().st_size:,} bytes, more than {MOST:,}")


if __name__ == "__main__":
    main()
