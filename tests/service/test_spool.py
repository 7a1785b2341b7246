"""Uploads are counted without a copy; what lies among the models and is none is left alone."""

import tracemalloc

import numpy as np
import pytest
from service_harness import PLAN, samples, stored

import fhenn
from fhenn.errors import WireFormatError
from fhenn.service.model_store import ModelStore
from fhenn.service.quota import samples_in


def test_an_upload_is_counted_without_a_copy():
    upload = bytearray(fhenn.Client(PLAN).encrypt(samples(np.random.default_rng(0), 40)))
    samples_in(upload, PLAN)  # loads what it needs
    tracemalloc.start()
    try:
        assert samples_in(upload, PLAN) == 40 * 2048
        assert tracemalloc.get_traced_memory()[1] < len(upload) / 10
    finally:
        tracemalloc.stop()
    upload.clear()  # no view is left
    with pytest.raises(WireFormatError):
        samples_in(upload, PLAN)


def test_a_file_among_the_models_is_no_model(tmp_path):
    models = ModelStore(stored(tmp_path / "store") / "models")
    (tmp_path / "store" / "models" / "notes.txt").write_text("buy milk")
    models.tidy()
    assert [name for name, *_ in models.outline()] == ["cancer"]
    assert set(models.catalogue().versions) == {"cancer"}
