"""What a release is made of: one version everywhere, and a source distribution that has all of it."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

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
    changes = re.search(r"^## ([^\s,]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [*named, changes[1]] == [fhenn.__version__] * 5


def test_the_citation_names_license_and_authors_as_the_package_does():
    fields, text = citation()
    assert fields["cff-version"] == "1.2.0"
    assert fields["license"] == PROJECT["project"]["license"]
    assert re.findall(r"^  - name: (.+)$", text, re.MULTILINE) == [
        author["name"] for author in PROJECT["project"]["authors"]
    ]


@pytest.mark.parametrize(
    "path",
    [
        ".ci/run",
        ".ci/images",
        ".ci/release",
        ".gitignore",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "docker/Dockerfile",
        "docker/Dockerfile.dockerignore",
        "docker/compose.yaml",
        "docker/environment.sh",
        "docker/sbom.py",
        "fhenn/backends/native/c",
        "fhenn/py.typed",
        "fhenn/web/index.html",
        "fhenn/web/package-lock.json",
        "fhenn/web/src",
        "fhenn/web/test",
        "hatch_build.py",
        "notebooks/01-sigmoid.ipynb",
        "notebooks/images",
        "tests/artifacts/golden",
        "tests/bench",
    ],
)
def test_what_a_release_is_made_of_is_there(path):
    """In a clone, and in the sdist, in which .ci/run runs this."""
    assert (ROOT / path).exists()


def test_the_sdist_has_all_that_git_has():
    """hatchling packs what git does not ignore, but for what a list in pyproject.toml names."""
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"] == {"exclude": ["/PKG-INFO"]}
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


def built(target, source, folder):
    """What is built of a folder of sources, as its path; the wheel without the native library."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name not in {"SOURCE_DATE_EPOCH", "PYTHONPATH"}}
    done = subprocess.run(
        command, cwd=source, env=environment | {"FHENN_NATIVE": "0"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.mark.thorough
def test_the_same_sources_make_the_same_packages_byte_for_byte(tmp_path):
    if not os.environ.get("CI"):  # there it is missed
        pytest.importorskip("hatchling")
    sdist = built("sdist", ROOT, tmp_path / "first")
    with tarfile.open(sdist) as archive:
        # the first Pythons 3.11 know no filters
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # noqa: S202
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    for name in (unpacked / "fhenn").rglob("_kernels.*"):
        pytest.fail(f"{name} is compiled, and in the sdist")
    again = built("sdist", unpacked, tmp_path / "again")
    wheels = [built("wheel", source, tmp_path / f"wheel of {source.name}") for source in (ROOT, unpacked)]
    for one, other in ((sdist, again), wheels):
        assert one.name == other.name
        assert sha256(one.read_bytes()).digest() == sha256(other.read_bytes()).digest()


STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Description: GNU C Library
 of many: words

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


@pytest.fixture
def sbom(monkeypatch):
    """docker/sbom.py, without what reads Python's packages, which only a release has."""
    spec = spec_from_file_location("sbom_under_test", ROOT / "docker" / "sbom.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    python = {"type": "library", "bom-ref": "numpy==2", "name": "numpy", "version": "2"}
    monkeypatch.setattr(module, "of_python", lambda root: {"components": [python], "specVersion": "1.6"})
    return module


def test_the_bill_of_an_image_names_its_base_and_all_packages(sbom, tmp_path):
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    digest = "sha256:" + "0" * 64
    made = sbom.bill(tmp_path, "fhenn-client", "0.2.0", "python:3.12-slim", digest)
    assert made["metadata"]["component"]["name"] == "fhenn-client"
    assert {(each["name"], each["version"]) for each in made["components"]} == {
        ("numpy", "2"),
        ("python:3.12-slim", digest),
        ("libc6", "2.36-9"),
    }
    (tmp_path / "opt/page").mkdir(parents=True)
    names = {each["name"] for each in sbom.bill(tmp_path, "fhenn-server", "0.2.0", "base", digest)["components"]}
    assert "node-seal" in names
    assert "vite" not in names  # builds the page, and is not in it
    with pytest.raises(SystemExit, match="is no digest"):
        sbom.bill(tmp_path, "fhenn-client", "0.2.0", "base", "<none>")
