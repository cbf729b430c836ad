"""Text with units to SI and back."""

import pytest

from fabricsim.errors import InputError
from fabricsim.units import (
    format_bandwidth,
    format_size,
    format_time,
    parse_bandwidth,
    parse_share,
    parse_size,
    parse_time,
    to_ps,
)


@pytest.mark.parametrize(
    "text", ["400 Gbps", "400Gbit/s", "400 Gb/s", "50 GB/s", "50GBps", "50e3 MB/s", "0.05 TB/s", " 50  GB/s "]
)
def test_one_bandwidth_has_many_spellings(text: str) -> None:
    assert parse_bandwidth(text) == 50 * 10**9


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1 GiB", 2**30),
        ("1 GB", 10**9),
        ("64KiB", 2**16),
        ("0 B", 0),
        ("1.5 kB", 1500),
        ("0.5 KiB", 512),
        ("7 bytes", 7),
    ],
)
def test_sizes_tell_decimal_from_binary(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2us", 2e-6), ("2 µs", 2e-6), ("350 ns", 350e-9), ("1 h", 3600.0), ("1ps", 1e-12), ("-5 us", -5e-6)],
)
def test_times_are_seconds(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("parse", "value", "words"),
    [
        (parse_size, 400, "has no unit"),
        (parse_size, "400", "has no unit"),
        (parse_size, "50 Gb", "write B, not b"),
        (parse_size, "4 KB", "k for 1000 or Ki for 1024"),
        (parse_size, "50 GB/s", "is a bandwidth"),
        (parse_size, "2 us", "is a time"),
        (parse_size, "0.3 B", "whole number of bytes"),
        (parse_size, "1e400 B", "out of range"),
        (parse_size, True, "is not a size"),
        (parse_size, None, "is not a size"),
        (parse_size, "", "is not a size"),
        (parse_size, "many MiB", "is not a size"),
        (parse_bandwidth, "50 GB", "add the time"),
        (parse_bandwidth, "400 Gbit", "add the time"),
        (parse_bandwidth, 50e9, "has no unit"),
        (parse_bandwidth, "2 us", "is a time"),
        (parse_time, "5 m", "not one of time"),
        (parse_time, "5 MB", "is not a time"),
        (parse_time, 0, "has no unit"),
        (parse_share, "120 %", "between 0 and 1"),
        (parse_share, 1.5, "between 0 and 1"),
        (parse_share, "half", "is not a share"),
    ],
)
def test_what_is_unclear_is_refused_with_what_would_be_right(parse, value, words) -> None:
    with pytest.raises(InputError) as caught:
        parse(value)
    assert words in str(caught.value)
    assert caught.value.exit_code == 3


def test_shares_are_percent_or_plain() -> None:
    assert parse_share("95 %") == parse_share(0.95) == 0.95


@pytest.mark.parametrize(
    ("text", "back"),
    [
        (format_time(350e-9), "350 ns"),
        (format_time(0.0), "0 s"),
        (format_time(1.5), "1.5 s"),
        (format_time(1e-12), "1 ps"),
        (format_bandwidth(50e9), "50 GB/s"),
        (format_size(2**24), "16 MiB"),
        (format_size(10**6), "1 MB"),
        (format_size(1024 * 1000), "1000 KiB"),
        (format_size(1), "1 B"),
    ],
)
def test_formats_are_what_people_write(text: str, back: str) -> None:
    assert text == back


@pytest.mark.parametrize("size", [1, 511, 1024, 3 * 2**20, 2**40])
def test_formatted_sizes_read_back(size: int) -> None:
    assert parse_size(format_size(size, 12)) == size


def test_picoseconds_round_to_the_nearest() -> None:
    assert to_ps(81.92e-9) == 81_920
    assert to_ps(0.4e-12) == 0
