"""Pictures that hold frames of videos, small enough to be part of a page."""

from __future__ import annotations

import base64

import cv2

from strmctl.report.drawing import Figure, Rendered, pixels_of

WIDEST = 1400  # pixels
QUALITY = 85  # of JPEG


def photo(figure: Figure) -> Rendered:
    """A figure of frames, at most `WIDEST` pixels wide: as a PNG file, and in SVG as JPEG, a tenth of its size."""
    pixels = cv2.cvtColor(pixels_of(figure), cv2.COLOR_RGBA2BGR)
    if (scale := WIDEST / pixels.shape[1]) < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = pixels.shape[:2]
    jpeg, png = (
        cv2.imencode(kind, pixels, how)[1].tobytes()
        for kind, how in ((".jpg", (cv2.IMWRITE_JPEG_QUALITY, QUALITY)), (".png", ()))
    )
    image = (
        f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"/>'
    )
    return Rendered(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{image}</svg>\n', png)
