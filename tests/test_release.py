"""What a release is made of: one version everywhere, and a source distribution that has all of it."""

import json
import re
import tomllib
from pathlib import Path

import fhenn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def citation():
    """The plain fields of CITATION.cff; without a library for YAML, which nothing else here needs."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+): (?!>)(.+)$", text, re.MULTILINE)), text


def test_every_file_names_the_same_version():
    fields, _ = citation()
    web = ROOT / "fhenn" / "web"
    package = json.loads((web / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((web / "package-lock.json").read_text(encoding="utf-8"))
    named = [fields["version"], package["version"], lock["version"], lock["packages"][""]["version"]]
    assert named == [fhenn.__version__] * 4
    assert re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_citation_names_license_and_authors_as_the_package_does():
    fields, text = citation()
    assert fields["cff-version"] == "1.2.0"
    assert fields["license"] == PROJECT["project"]["license"]
    assert re.findall(r"^  - name: (.+)$", text, re.MULTILINE) == [
        author["name"] for author in PROJECT["project"]["authors"]
    ]
