"""libFuzzer on the readers of strangers' bytes, led by which branches of fhenn it reaches (atheris).

`python fuzz_target.py FOLDER -max_total_time=60`: FOLDER gets honest messages to begin with, and what is found on the
way. Anything but residues or WireFormatError ends it with a trace and the input in a file. The first byte of an input
says which reader it is for.
"""

from __future__ import annotations

import resource
import struct
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fhenn"]):
    import fhenn
    from fhenn.backends.native.messages import read_ciphertext, read_context, read_switching_keys
    from fhenn.ckks.packing import ciphertext_for_seal, keys_for_seal
    from fhenn.errors import ContextMismatch, WireFormatError
    from fhenn.wire import frame, unframe

from test_fuzz import golden

FORMS = (0, 2, 0x80)
ADDRESSES = 2 << 30
"""Bytes of address space: what takes more ends as a MemoryError."""


def saved(form: int, content: bytes) -> bytes:
    """An object of that content, whose header is right."""
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, FORMS[form % 3], 0, 16 + len(content)) + content


def inputs() -> list[bytes]:
    """Honest ones."""
    kinds = {0: 0, 2: 1, 0x80: 2}
    found = [bytes([0, kinds[data[5]]]) + data[16:] for data in golden().ciphertexts]
    found += [bytes([1, 3 * level + kinds[data[5]]]) + data[16:] for data, level in golden().keys]
    found += [
        bytes([2, place]) + unframe("evaluation-context", each)[1] for place, each in enumerate(golden().contexts)
    ]
    return [*found, bytes([3, 0]) + unframe("ciphertexts", ARRAY)[1]]


SERVER = fhenn.NativeContext.from_bytes(golden().contexts[0])
ARRAY = fhenn.encrypt(SERVER, [1.0, 2.0]).to_bytes()
METAS = [unframe("evaluation-context", each)[0] for each in golden().contexts]


def read(data: bytes) -> None:
    """Give an input to its reader."""
    if len(data) < 2:
        return
    kind, choice, content = data[0] % 4, data[1], data[2:]
    ring, chain = golden().ring, golden().chain
    try:
        if kind == 0:
            data = saved(choice, content)
            residues = read_ciphertext(ring, "it", data).residues
            assert all(ring.holds(each[None], range(len(each))) for each in residues)
            ciphertext_for_seal(chain, "it", data)
        elif kind == 1:
            level = choice // 3 % (golden().levels + 1)
            data = saved(choice, content)
            read_switching_keys(ring, "keys", data, level)
            keys_for_seal(chain.up_to(level), "keys", data)
        elif kind == 2:
            meta = METAS[choice % len(METAS)]
            assert read_context(frame("evaluation-context", meta, content)).fingerprint == golden().fingerprint
        else:
            fhenn.CipherArray.from_bytes(SERVER, frame("ciphertexts", unframe("ciphertexts", ARRAY)[0], content))
    except (WireFormatError, ContextMismatch):
        pass


def main() -> None:
    folder = Path(sys.argv[1])
    for place, each in enumerate(inputs()):
        read(each)
        (folder / f"honest-{place}").write_bytes(each)
    # libFuzzer's own limit is on the most that this process ever had, which is its parent's too, from before it began
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    atheris.Setup([sys.argv[0], str(folder), "-max_len=65536", "-rss_limit_mb=0", *sys.argv[2:]], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
