"""The software bill of materials of an image, as CycloneDX in JSON: what .ci/release puts beside the image.

    python docker/sbom.py FOLDER OUTPUT --name fhenn-server --version 0.2.0 --base IMAGE --digest sha256:…

FOLDER is the image's root file system, mounted; nothing of it is run. Python's packages are read by `cyclonedx-bom`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote as escaped

LOCK = Path(__file__).parents[1] / "fhenn" / "web" / "package-lock.json"
SPECIFICATION = "1.6"


def of_python(root: Path) -> dict[str, Any]:
    """The bill of the virtual environment in an image; an empty one where it has none."""
    places = [str(path) for path in root.glob("opt/fhenn/lib/python3*/site-packages")]
    with TemporaryDirectory() as folder:
        # in the place of the image's Python, which is asked for its path and nothing else
        asked = Path(folder, "python")
        asked.write_text(f"#!/bin/sh\nprintf %s {quote(json.dumps(places))}\n", encoding="utf-8")
        asked.chmod(0o700)
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
        command += ["--sv", SPECIFICATION, "--of", "JSON", str(asked)]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))  # noqa: S603  (ours)


def of_system(root: Path) -> Iterator[dict[str, Any]]:
    """Debian's packages in an image."""
    status = root / "var" / "lib" / "dpkg" / "status"
    if not status.exists():
        return
    for entry in status.read_text(encoding="utf-8").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            link = f"pkg:deb/debian/{escaped(name)}@{escaped(version)}?arch={fields['Architecture']}"
            yield {"type": "library", "bom-ref": link, "name": name, "version": version, "purl": link}


def of_page(root: Path) -> Iterator[dict[str, Any]]:
    """Packages of npm that are in the page for browsers, in an image that has it."""
    if (root / "opt" / "page").exists():
        for place, package in json.loads(LOCK.read_text(encoding="utf-8"))["packages"].items():
            if place and not package.get("dev"):
                name = place.rpartition("node_modules/")[2]
                link = f"pkg:npm/{escaped(name, safe='/')}@{escaped(package['version'])}"
                yield {"type": "library", "bom-ref": link, "name": name, "version": package["version"], "purl": link}


def bill(root: Path, name: str, version: str, base: str, digest: str) -> dict[str, Any]:
    """The bill of an image.

    root: its root file system.
    name, version: of the image.
    base, digest: of the image that it is built on; the digest as "sha256:…".
    """
    made = of_python(root)
    algorithm, _, content = digest.partition(":")
    if (algorithm, len(content)) != ("sha256", 64):
        raise SystemExit(f"{digest!r} is no digest of an image: sha256:…")
    below = {"type": "container", "bom-ref": "base", "name": base, "version": digest}
    below["hashes"] = [{"alg": "SHA-256", "content": content}]
    others = [below, *of_system(root), *of_page(root)]
    made.setdefault("components", []).extend(others)
    made.setdefault("metadata", {})["component"] = {
        "type": "container",
        "bom-ref": "image",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    known = [each for each in made.setdefault("dependencies", []) if each["ref"] not in ("root-component", "image")]
    refs = sorted({each["bom-ref"] for each in made["components"]})
    made["dependencies"] = [*known, {"ref": "image", "dependsOn": refs}]
    return made


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    for option in ("--name", "--version", "--base", "--digest"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    text = json.dumps(bill(given.folder, given.name, given.version, given.base, given.digest), indent=1) + "\n"
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    wrong = JsonStrictValidator(SchemaVersion.from_version(SPECIFICATION)).validate_str(text)
    if wrong:
        raise SystemExit(f"no valid CycloneDX {SPECIFICATION}: {wrong}")
    given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
