"""The names of files that lie beside another."""

from __future__ import annotations

from pathlib import Path


def receipt_beside(upload: Path) -> Path:
    """The file for the receipt of an upload: `upload.receipt.fhenn` for `upload.fhenn`."""
    return upload.with_name(f"{upload.stem}.receipt{upload.suffix}")
