"""Which pictures of a video are shown: spread over it, and from inside the moments that they shall tell of."""
from typing import List, Sequence

Span = Sequence[float]  # start and end in seconds


def frame_times(duration: float, count: int, moments: Sequence[Span] = ()) -> List[float]:
    """Seconds of ``count`` pictures, one of each equal part of a video.

    Where a part overlaps a moment, its picture is from inside: from the middle of what they share. Of several moments,
    all of them are in the picture if they overlap there, else the first.

    Example:
        >>> frame_times(8.0, 4)
        [1.0, 3.0, 5.0, 7.0]
        >>> frame_times(8.0, 4, [(2.1, 2.3), (5.5, 8.0)])
        [1.0, 2.2, 5.75, 7.0]
    """
    step, times = duration / count, []
    for place in range(count):
        start, end = place * step, (place + 1) * step
        for low, high in moments:
            if max(start, low) < min(end, high):
                start, end = max(start, low), min(end, high)
        times.append((start + end) / 2)
    return times


def moment_times(moments: Sequence[Span], count: int = 3) -> List[float]:
    """Seconds of ``count`` pictures spread over each moment, for those who choose among them later.

    Example:
        >>> moment_times([(0.0, 6.0)])
        [1.0, 3.0, 5.0]
    """
    return [start + (place + 0.5) / count * (end - start) for start, end in moments for place in range(count)]
