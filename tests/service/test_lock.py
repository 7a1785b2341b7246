import os
import subprocess
import sys

import pytest

from fhenn.errors import StoreLocked
from fhenn.service.lock import Lock

HOLD = """
import sys
from pathlib import Path
from fhenn.service.lock import Lock
lock = Lock(Path(sys.argv[1]), "")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_refused_and_told_who_has_it(tmp_path):
    path = tmp_path / "lock"
    refused = pytest.raises(StoreLocked, match=rf"{path} is held by process {os.getpid()} on .+\. Stop it first\.")
    with Lock(path, "Stop it first."), refused:
        Lock(path, "Stop it first.")
    Lock(path, "").release()


def test_it_ends_with_its_process_however_that_ends(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreLocked, match=f"process {holder.pid} on"):
            Lock(path, "", wait=0.1)
        holder.kill()
        holder.wait()
        Lock(path, "", wait=5).release()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(OSError, match="lock"):
        Lock(tmp_path / "lock", "")
    assert not (tmp_path / "elsewhere").exists()
