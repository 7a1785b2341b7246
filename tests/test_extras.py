"""The line that installs an extra, for every way in which fhenn can have come here."""

import json
import os
import shlex
from pathlib import Path

import pytest

from fhenn import extras
from fhenn.extras import install_line, installed_from, not_installed, requirements

METADATA = [
    "numpy>=1.26",
    "backports-zstd>=1; python_version < '3.14'",
    "safetensors>=0.4; extra == 'files'",
    'click>=8.1; extra == "cli"',
    "fhenn[crypto,files]; extra == 'cli'",
    "cryptography>=43; extra == 'crypto'",
    "mlxtend>=0.23; extra == 'notebook'",
    "xgboost-cpu>=3; (sys_platform == 'linux' and platform_machine == 'x86_64') and extra == 'notebook'",
    "none-such-as-this; extra == 'odd'",
    "fhenn[odd,round]; extra == 'round'",
]

posix = pytest.mark.skipif(os.name == "nt", reason="quotes as a POSIX shell takes them")


class Installed:
    """A distribution of fhenn whose files are this package's."""

    def __init__(self, direct_url=None, requires=METADATA, home=None):
        self.direct_url, self.requires = direct_url, requires
        self.home = Path(extras.__file__).parent.parent if home is None else home

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.direct_url

    def locate_file(self, name):
        return self.home / name


@pytest.fixture
def installed(monkeypatch):
    """Makes this package an installed one."""

    def install(**how):
        known = extras.distribution

        def distribution(name):
            return Installed(**how) if name == "fhenn" else known(name)

        monkeypatch.setattr(extras, "distribution", distribution)

    return install


def direct(url, **info):
    return json.dumps({"url": url, "dir_info": info})


@posix
def test_of_a_folder_it_names_that(installed, tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "pyproject.toml").write_text("")
    url = (tmp_path / "a b").as_uri()
    installed(direct_url=direct(url))
    assert installed_from() == tmp_path / "a b"
    assert install_line("cli") == f"pip install '{tmp_path}/a b[cli]'"
    installed(direct_url=direct(url, editable=True))
    assert install_line("cli") == f"pip install --editable '{tmp_path}/a b[cli]'"
    (tmp_path / "it's").mkdir()
    (tmp_path / "it's" / "pyproject.toml").write_text("")
    installed(direct_url=direct((tmp_path / "it's").as_uri()))
    assert shlex.split(install_line("cli")) == ["pip", "install", f"{tmp_path}/it's[cli]"]


@posix
@pytest.mark.parametrize(
    "direct_url",
    [
        None,
        "",
        "no JSON",
        "[]",
        '{"url": 3, "dir_info": {}}',
        '{"url": "https://host/fhenn.git", "vcs_info": {"vcs": "git"}}',
        '{"url": "file:///here/fhenn-0.2.0-py3-none-any.whl", "archive_info": {}}',
        direct("file:///a/folder/that/is/gone"),
        direct("file://host/share"),
    ],
)
def test_else_it_names_the_libraries(installed, direct_url):
    installed(direct_url=direct_url)
    assert installed_from() is None
    assert install_line("cli") == "pip install 'click>=8.1' 'cryptography>=43' 'safetensors>=0.4'"
    assert install_line("notebook") == (
        "pip install 'mlxtend>=0.23' 'xgboost-cpu>=3; (sys_platform == \"linux\" and platform_machine == \"x86_64\")'"
    )


def test_extras_of_extras_end(installed):
    installed()
    assert requirements("round") == ("none-such-as-this",)
    assert requirements("unknown") == ()
    assert requirements("") == ("numpy>=1.26", "backports-zstd>=1; python_version < '3.14'")
    assert not_installed("round") == ("none-such-as-this",)
    assert not_installed("") == ()
    assert extras.extras() == ("files", "cli", "crypto", "notebook", "odd", "round")


def test_a_copy_beside_another_installation_goes_by_its_own_sources(installed, tmp_path):
    installed(home=tmp_path, requires=["other>=1; extra == 'fit'"])
    assert requirements("fit") in (("scipy>=1.11",), ())  # no sources around an installed package


def test_what_is_edited_in_place_is_this_package(installed, tmp_path):
    sources = Path(extras.__file__).parent.parent
    installed(home=tmp_path, direct_url=direct(sources.as_uri(), editable=True))
    assert requirements("odd") == ("none-such-as-this",)


def test_without_metadata_and_sources_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "_distribution", lambda: None)
    monkeypatch.setattr(extras, "_SOURCES", tmp_path)
    extras._of_sources.cache_clear()
    try:
        assert install_line("cli").strip("'\"").endswith("fhenn[cli]")
        (tmp_path / "pyproject.toml").write_text("[project]\nname = 'another'\n")
        extras._of_sources.cache_clear()
        assert requirements("cli") == ()
        (tmp_path / "pyproject.toml").write_text("[project\n")
        extras._of_sources.cache_clear()
        assert requirements("cli") == ()
    finally:
        extras._of_sources.cache_clear()
