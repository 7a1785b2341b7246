"""The page built, served by `fhenn serve --page`, and tried by the tests in fhenn/web/test/page."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from page_models import breast_cancer, digits, patients, served, write_csv, write_models
from vitest import run_vitest

from fhenn.service.tokens import Tokens

PATIENTS = np.random.default_rng(7).permutation(569)[:40]
"""Rows of the breast cancer data that are dropped."""

WEB = Path(__file__).parents[2] / "fhenn" / "web"


def build(folder: Path) -> Path:
    """The page, built into a folder."""
    node, program = shutil.which("node"), WEB / "node_modules" / "vite" / "bin" / "vite.js"
    assert node, "these tests need Node 22 or newer"
    assert program.exists(), f"these tests need the packages of {WEB}: run npm ci there"
    command = [node, str(program), "build", "--outDir", str(folder), "--emptyOutDir"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Serving:
    """`fhenn serve --page` with the models of the tests.

    elsewhere: an origin that may ask it too.
    """

    folder: Path
    page: Path
    url: str = ""
    elsewhere: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Serving:
        adding = [part for name, *files in write_models(self.folder) for part in ("--add", name, *map(str, files))]
        command = [sys.executable, "-m", "fhenn", "serve", "--store", str(self.store), "--port", "0"]
        command += ["--page", str(self.page), "--allow-origin", self.elsewhere, "--workers", "2", *adding]
        with (self.folder / "service.log").open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        said = self.process.stdout.readline()
        assert said.startswith("fhenn serves http://"), (self.folder / "service.log").read_text()[-2000:]
        self.url = said.split()[-1]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def token(self) -> str:
        return Tokens(self.store / "tokens").create("clinic", 1.0)[0]


def tables(folder: Path) -> dict[str, Path]:
    """Tables to drop on the page."""
    data, _ = breast_cancer()
    names, rows = list(data.columns), data.to_numpy()
    shuffled = np.random.default_rng(1).permutation(len(names))  # columns are found by their names
    patients_with_ids = [[f"p{place}", *rows[row][shuffled]] for place, row in enumerate(PATIENTS)]
    many = rows[np.random.default_rng(2).integers(0, len(rows), 1000)]
    marked = [list(row) for row in rows[:6]]
    marked[1][0], marked[3][2], marked[4][5] = "", "much", 99.0
    wards = [list(row.values()) for row in patients()[0][:30]]
    images, _ = digits()
    return {
        "cancer": write_csv(folder / "patients.csv", ["id", *np.array(names)[shuffled]], patients_with_ids),
        "many": write_csv(folder / "many.csv", names, many),
        "marked": write_csv(folder / "marked.csv", names, marked),
        "lacking": write_csv(folder / "lacking.csv", names[1:], rows[:2, 1:]),
        "ward": write_csv(folder / "ward.csv", ["age", "pressure", "ward"], [*wards, [50.0, 120.0, "west"]]),
        "watched": write_csv(folder / "watched.csv", ["a", "b"], [[0.5, 1.0], [5.0, 4.5], [-2.0, 1.0]]),
        "digits": write_csv(folder / "digits.csv", [f"x{place}" for place in range(784)], images[4000:4005].round(4)),
    }


def expected() -> dict[str, dict[str, list[Any]]]:
    """What the twin predicts of them: labels, and the probability of the last class."""
    data, _ = breast_cancer()
    import pandas as pd  # noqa: PLC0415  (few need it)

    images, _ = digits()
    samples = {
        "cancer": ("cancer", data.iloc[PATIENTS]),
        "ward": ("ward", pd.DataFrame(patients()[0][:30])),
        "digits": ("digits", images[4000:4005].round(4)),
    }
    found = {}
    for name, (model, rows) in samples.items():
        twin = served()[model][0]
        shares = twin.predict_proba(rows)[:, -1]
        found[name] = {"labels": [str(each) for each in twin.predict(rows)], "shares": shares.tolist()}
    return found


def write_setting(serving: Serving, out: Path) -> Path:
    """Tell the tests in TypeScript what there is.

    out: a folder, for what they need and what they leave.
    """
    out.mkdir(exist_ok=True)
    content = {
        "url": serving.url,
        "elsewhere": serving.elsewhere,
        "page": str(serving.page),
        "token": serving.token(),
        "tables": {name: str(path) for name, path in tables(out).items()},
        "expected": expected(),
        "out": str(out),
    }
    (out / "setting.json").write_text(json.dumps(content))
    return out


def try_page(out: Path, name: str) -> None:
    """Run tests in TypeScript on the page. Raises AssertionError with what they print where one fails.

    out: where `write_setting` wrote.
    name: of the file in fhenn/web/test/page, without its ending.
    """
    run_vitest(out, "--config", "vitest.page.config.ts", f"{name}.page.ts")
