"""What is in a store is believed: nobody else may have been able to write there."""

import os
import stat

import pytest
from click.testing import CliRunner

from fhenn.cli import cli
from fhenn.errors import StoreUnsafe
from fhenn.service.folder import require_private, require_private_inside

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_parents_are_private(tmp_path):
    folder = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        require_private(folder)
    finally:
        os.umask(before)
    assert mode(folder) == mode(folder.parent) == 0o700


def test_one_that_others_can_read_is_shut(tmp_path):
    tmp_path.chmod(0o755)
    require_private(tmp_path)
    assert mode(tmp_path) == 0o700
    (tmp_path / "keys").mkdir(0o755)
    require_private_inside(tmp_path / "keys")
    assert mode(tmp_path / "keys") == 0o700


@pytest.mark.parametrize("writable", [0o770, 0o702, 0o777, 0o1777])
def test_one_that_others_can_write_is_refused_until_the_way_out_is_taken(tmp_path, writable):
    folder = tmp_path / "store"
    folder.mkdir()
    folder.chmod(writable)
    for require in (require_private, require_private_inside):
        with pytest.raises(StoreUnsafe, match=f"run chmod 700 {folder}"):
            require(folder)
    assert mode(folder) == writable, "it was changed although it was refused"
    folder.chmod(0o700)
    require_private(folder)


def test_one_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    for require in (require_private, require_private_inside):
        with pytest.raises(StoreUnsafe, match="belongs to user"):
            require(tmp_path)


def test_links(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir(0o700)
    (tmp_path / "link").symlink_to("there")
    require_private(tmp_path / "link")  # an operator's own: /srv/store -> /disk/store
    (tmp_path / "there").chmod(0o770)
    with pytest.raises(StoreUnsafe, match="others can write"):
        require_private(tmp_path / "link")
    with pytest.raises(StoreUnsafe, match="it is a link"):
        require_private_inside(tmp_path / "link")
    (tmp_path / "nowhere").symlink_to("missing")
    with pytest.raises(StoreUnsafe, match="leads nowhere"):
        require_private(tmp_path / "nowhere")
    real = os.geteuid()
    if real == 0:
        os.lchown(tmp_path / "link", 12345, 0)
        (tmp_path / "there").chmod(0o700)
        with pytest.raises(StoreUnsafe, match="another user's link"):
            require_private(tmp_path / "link")


def test_a_parent_where_everybody_may_rename_is_refused(tmp_path):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(StoreUnsafe, match="everybody may exchange"):
        require_private(open_to_all / "store")
    open_to_all.chmod(0o1777)  # as /tmp: only owners rename
    require_private(open_to_all / "store")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "store").write_text("x")
    with pytest.raises(StoreUnsafe, match="not a folder"):
        require_private(tmp_path / "store")


def test_tokens_are_not_created_where_others_can_write(tmp_path):
    store = tmp_path / "store"
    assert CliRunner().invoke(cli, ["token", "create", "hospital", "--store", str(store)]).exit_code == 0
    assert mode(store) == mode(store / "tokens") == 0o700
    store.chmod(0o777)
    with pytest.raises(StoreUnsafe):
        CliRunner().invoke(cli, ["token", "create", "hospital", "--store", str(store)], catch_exceptions=False)
    assert len(list((store / "tokens").iterdir())) == 1
