"""What is read of the device while it is measured."""

from __future__ import annotations

import time

from planner.profiling.devices import Sensor


def test_a_processors_condition_tells_how_fast_it_is_at_the_moment() -> None:
    sensor = Sensor("cpu")
    sensor.start()
    first = sensor.read().reference_s
    begin = time.perf_counter()
    for _ in range(5):
        last = sensor.read().reference_s
    each_s = (time.perf_counter() - begin) / 5
    assert first and last and 0 < last < 3 * each_s


def test_each_row_has_a_reference_of_its_own() -> None:
    sensor = Sensor("cpu")
    sensor.start()
    sensor._references_s = [100.0, 100.0]
    sensor.start()
    assert (sensor.read().reference_s or 0.0) < 50
