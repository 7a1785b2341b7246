"""A batch in an object store, by fsspec."""

import sys

import pytest

fsspec = pytest.importorskip("fsspec")

from fhenn.errors import ExtraMissing, StorageRefused  # noqa: E402
from fhenn.pool.places import place_of  # noqa: E402


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    """The address of a folder that is not there yet."""
    return f"{tmp_path}/folder" if request.param == "folder" else f"memory://{tmp_path.name}/folder"


def put(place, name, *pieces):
    file = place.create(name)
    for piece in pieces:
        file.write(piece)
    file.finish()


def test_what_is_put_is_found(store):
    place = place_of(store)
    put(place, "b", b"one", b"two")
    put(place, "a", b"")
    put(place_of(f"{store}/inside"), "c", b"")
    assert place.names() == ["a", "b"]
    assert (place.size("b"), place.exists("b"), place.exists("c")) == (6, True, False)
    with place.open("b") as file:
        assert (file.read(2), file.read()) == (b"on", b"etwo")
    assert str(place) == store == str(place_of(store.replace("/", "file:///", 1) if store[0] == "/" else store))


def test_a_file_is_there_when_it_is_whole_and_not_before(store):
    place = place_of(store)
    file = place.create("a")
    file.write(b"half")
    assert not place.exists("a")
    file.give_up()
    assert not place.exists("a")
    put(place, "a", b"old")
    file = place.create("a")
    file.write(b"new")
    with place.open("a") as before:
        assert before.read() == b"old"
    file.finish()
    with place.open("a") as after:
        assert after.read() == b"new"
    assert place.names() == ["a"]


def test_a_store_that_refuses_is_told(monkeypatch):
    place = place_of("memory://refusing/folder")
    put(place, "a", b"content")

    def refuse(*arguments, **options):
        raise PermissionError("403 Forbidden")

    for name in ("ls", "size", "exists", "open", "put_file"):
        monkeypatch.setattr(place._files, name, refuse)
    acts = [lambda: place.size("a"), lambda: place.exists("a"), lambda: place.open("a"), lambda: put(place, "a", b"")]
    for act in (place.names, *acts):
        with pytest.raises(StorageRefused, match=r"folder cannot be used: PermissionError: 403 Forbidden"):
            act()


def test_what_is_missing_is_told(store):
    with pytest.raises(OSError, match="nothing"):
        place_of(store).open("nothing")
    with pytest.raises(OSError, match="nowhere"):
        place_of(f"{store}/nowhere").names()


def test_an_address_that_nobody_knows_is_told():
    with pytest.raises(StorageRefused, match="Protocol not known: nosuch"):
        place_of("nosuch://place")


def test_a_store_whose_library_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(StorageRefused, match="Install s3fs"):
        place_of("s3://bucket/folder")


def test_a_missing_fsspec_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ExtraMissing, match="the extra ray brings it"):
        place_of("s3://bucket/folder")
