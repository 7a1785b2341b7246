"""The page in Chromium: from its address to the first prediction, the next one, and what is sent and loaded.

    python tests/bench/page.py            # some minutes; `npm ci` in fhenn/web first

A service of two workers and a headless Chromium share the machine. A cold page is a browser with a profile of its own:
it loads the page, lists the models, takes the plan, makes keys, sends them, encrypts, predicts and shows. The next
prediction has all that, and encrypts anew. Medians of five rounds, in seconds on the clock.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path
from statistics import median

from record import Column, printed

COLUMNS = (
    Column("N"),
    Column("keys", "MB"),
    Column("first prediction, from a cold page", "s"),
    Column("next", "s"),
)

MODELS = {
    "breast cancer, 30 columns, 40 rows": "cancer",
    "the same, 1,000 rows": "cancer-many",
    "linear model of 784 pixels, a drawing": "digits-linear",
    "perceptron 784-128-10, a drawing": "digits",
}


def main() -> None:
    """Measure and print the table."""
    sys.path[:0] = [str(Path(__file__).parents[1] / "web")]
    from browsing import Serving, build, try_page, write_setting  # noqa: PLC0415
    from page_models import served  # noqa: PLC0415

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = build(folder / "dist")
        size = sum(each.stat().st_size for each in page.rglob("*") if each.is_file())
        with Serving(folder, page) as serving:
            out = write_setting(serving, folder / "out")
            try_page(out, "numbers")
            found = json.loads((out / "numbers.json").read_text())
    print(f"The page has {size / 1e6:.2f} MB, before compression.\n")
    with printed("page", "in Chromium", COLUMNS) as table:
        for name, times in found.items():
            plan = served()[MODELS[name]][1]
            keys = plan.bytes_of_keys / 1e6
            table.add(name, plan.parameters.ring_degree, keys, median(times["first"]), median(times["next"]))


if __name__ == "__main__":
    main()
