"""Whether Ray is there: tested where it is not installed, too."""

import sys

import pytest

from fhenn.errors import ExtraMissing
from fhenn.pool.cluster import ray_module


def test_a_folder_that_is_called_ray_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "ray").mkdir()
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ExtraMissing, match="the extra ray brings it"):
        ray_module()
    sys.modules.pop("ray", None)
