"""The page in Chromium, before a real service with real models; what is tried is in fhenn/web/test/page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder that says where the page is, and takes pictures and recordings; FHENN_PICTURES, where that is set."""
    from browsing import Serving, build, write_setting  # noqa: PLC0415  (trains models)

    folder = tmp_path_factory.mktemp("page")
    with Serving(folder, build(folder / "dist")) as serving:
        yield write_setting(serving, Path(os.environ.get("FHENN_PICTURES", folder / "out")))


@pytest.mark.parametrize("name", ["predictions", "drawing", "access", "languages", "hostile", "elsewhere"])
def test_the_page(out, name):
    from browsing import try_page  # noqa: PLC0415

    try_page(out, name)


def test_the_secret_key_does_not_leave_the_page(out):
    """Keys that are kept open again, and nothing that was sent shows the secret one, in any form."""
    from browsing import try_page  # noqa: PLC0415
    from page_models import served  # noqa: PLC0415
    from secret_traces import key_of, traces  # noqa: PLC0415
    from support import seal_of  # noqa: PLC0415

    import fhenn  # noqa: PLC0415

    try_page(out, "keys")
    traffic, stored = (out / "sent.bin").read_bytes(), (out / "secret.bin").read_bytes()
    plan = served()["cancer"][1].public()
    assert len(traffic) > plan.bytes_of_keys / 2
    assert b"fhenn_" in traffic  # the token: what is sent in the clear is found
    client = fhenn.Client.from_secret_bytes(plan, stored)
    pieces = list(traces(*key_of(seal_of(client._context))))
    assert any(piece in stored for _, piece in pieces)  # the key is found where it is
    assert [name for name, piece in pieces if piece in traffic] == []
