"""When each frame of a video is shown, also where its time stamps make no sense."""

from __future__ import annotations

import math
from collections.abc import Iterator

from strmctl.videos.video import Picture, Video

USUAL_FPS = 25.0  # of a video that does not say
LONGEST_STILL = 3600.0  # seconds for which a frame may be shown; time stamps that are further apart make no sense
DISORDER = 1.0  # seconds by which time stamps may go back without a new clock


def timed(video: Video) -> Iterator[tuple[float, Picture]]:
    """The frames of a video, each with the time at which it appears, in seconds from the beginning of the video.

    Times grow. Where a time stamp is missing, or not above the one before, the frame follows at the usual distance.
    Where it jumps back or far ahead, as where recordings were put together, the time goes on from there.
    """
    beat, shift = 1 / (video.fps or USUAL_FPS), video.start
    last = video.start - beat
    for picture in video.pictures:
        time = picture.time + shift
        if not last < time <= last + LONGEST_STILL:  # NaN fails as well
            if math.isfinite(time) and not last - DISORDER < time <= last:
                shift += last + beat - time
            time = last + beat
        yield time, picture
        last = time
