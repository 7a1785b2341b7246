"""Build the site of several versions side by side, newest first: `python notebooks/versions.py v0.2.0 v0.1.0`.

Each tag makes `site/VERSION/` of its own sources. `site/index.html` leads to the first; `site/versions.js` lists all,
and every page chooses among them with it, from a server or from a disk.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

_SWITCHER = """\
// Made by notebooks/versions.py. It puts a choice of versions in the place of the version that a page names.
(() => {
  const versions = VERSIONS;
  const root = new URL(".", document.currentScript.src);
  for (const shown of document.querySelectorAll("span.version")) {
    const choice = document.createElement("select");
    choice.className = "version";
    choice.setAttribute("aria-label", "Version");
    for (const each of new Set([shown.textContent.trim(), ...versions])) {
      choice.add(new Option(each, each, false, each === shown.textContent.trim()));
    }
    choice.addEventListener("change", () => { location.href = new URL(`${choice.value}/index.html`, root); });
    shown.replaceWith(choice);
  }
})();
"""


def version_of(tag: str) -> str:
    """What a tag is called in addresses: v0.2.0 is 0.2.0."""
    return tag.removeprefix("v") if tag[1:2].isdigit() else tag


def build(tags: Sequence[str], repository: Path, site: Path) -> None:
    """Build what the tags name.

    tags: of git, newest first.
    repository: that has them.
    site: the folder to write to; what is in it of other versions stays, but is in no list.
    Raises subprocess.CalledProcessError where there is no such tag, or where its site does not build.
    """
    for tag in tags:
        _build_one(tag, repository, site / version_of(tag))
    versions = [version_of(tag) for tag in tags]
    (site / "versions.js").write_text(_SWITCHER.replace("VERSIONS", json.dumps(versions)), encoding="utf-8")
    first = f"{versions[0]}/index.html"
    (site / "index.html").write_text(
        f'<!doctype html><meta charset="utf-8"><title>fhenn</title><meta http-equiv="refresh" content="0; url={first}">'
        f'<a href="{first}">{versions[0]}</a>\n',
        encoding="utf-8",
    )


def _build_one(tag: str, repository: Path, into: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["/usr/bin/env", "git", "archive", "--format=tar", tag], cwd=repository, check=True, capture_output=True
        )
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            # the first Pythons 3.11 know no filters; the archive is git's own
            files.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # noqa: S202
        shutil.rmtree(into, ignore_errors=True)
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-t", "versions"]
        # its own fhenn, whatever is installed
        where = os.environ | {"PYTHONPATH": folder}
        subprocess.run([*command, "-d", f"{folder}/build", f"{folder}/notebooks", str(into)], check=True, env=where)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    here = Path(__file__).resolve().parents[1]
    build(sys.argv[1:], here, here / "site")
