"""Memory of arrays that are gone serves the next ones, and never two at a time."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fhenn.backends.native.spare import SpareMemory

SHAPE = (2, 2, 8192)
SIZE = 8 * 2 * 2 * 8192


def test_an_array_has_its_memory_alone_while_anything_looks_at_it():
    spare = SpareMemory(1 << 24)
    first = spare.array(SHAPE)
    assert first.shape == SHAPE
    assert first.flags.c_contiguous
    assert first.flags.writeable
    first[...] = 7
    part, place = first[1:], first.ctypes.data
    del first
    second = spare.array(SHAPE)
    second[...] = 8
    assert (part == 7).all()
    assert second.ctypes.data != place
    del part
    assert spare.array(SHAPE).ctypes.data == place


def test_no_more_is_kept_than_was_said():
    spare = SpareMemory(3 * SIZE)
    arrays = [spare.array(SHAPE) for _ in range(5)] + [spare.array((1, 4, 8192))]
    del arrays
    assert spare._kept == sum(each.nbytes for free in spare._free.values() for each in free) == 3 * SIZE
    again = [spare.array(SHAPE) for _ in range(5)]
    assert spare._kept + sum(each.nbytes for each in again) >= 5 * SIZE
    assert len({each.ctypes.data for each in again}) == 5


def test_small_arrays_are_left_to_the_c_library():
    spare = SpareMemory(1 << 24)
    spare.array((2, 1, 1024))
    assert not spare._free


def test_arrays_outlive_what_lent_them():
    array = SpareMemory(1 << 24).array(SHAPE)
    gc.collect()
    array[...] = 3
    assert (array == 3).all()


def test_threads_share_it():
    spare = SpareMemory(64 * SIZE)

    def use(number):
        for turn in range(50):
            arrays = [spare.array(SHAPE) for _ in range(3)]
            for place, each in enumerate(arrays):
                each[...] = number * 1000 + turn * 10 + place
            for place, each in enumerate(arrays):
                assert (each == number * 1000 + turn * 10 + place).all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert spare._kept == sum(each.nbytes for free in spare._free.values() for each in free) <= 64 * SIZE


def test_it_is_right_after_any_order():
    draw = np.random.default_rng(0)
    spare, living = SpareMemory(8 * SIZE), {}
    for turn in range(400):
        if living and draw.random() < 0.5:
            number = int(draw.choice(list(living)))
            assert (living.pop(number) == number).all()
        else:
            living[turn] = spare.array((int(draw.integers(1, 4)), 2, 8192))
            living[turn][...] = turn
    assert all((array == number).all() for number, array in living.items())
