"""Times in a video, as people and players write them."""

from __future__ import annotations


def clock(seconds: float, decimals: int = 1, *, hour_digits: int = 1) -> str:
    """`0:01:05.0`: hours, minutes and seconds, rounded; hours with so many digits at least."""
    units = round(seconds * 10**decimals)
    minutes, units = divmod(units, 60 * 10**decimals)
    width = 2 + (decimals > 0) + decimals
    return f"{minutes // 60:0{hour_digits}}:{minutes % 60:02}:{units / 10**decimals:0{width}.{decimals}f}"
