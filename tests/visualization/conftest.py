"""Small videos, and what is seen in a timeline."""
import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb


@pytest.fixture
def write_video():
    """``write_video(path, values)`` writes a grey frame of 64 x 32 pixels per value, eight a second."""
    def write(path, values):
        path.parent.mkdir(exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 8, (64, 32))
        for value in values:
            writer.write(np.full((32, 64, 3), value, np.uint8))
        writer.release()
        return path
    return write


@pytest.fixture
def bars():
    """``bars(figure, color)`` gives the starts and ends of the moments in a colour."""
    def find(figure, color):
        return [(round(bar.get_x(), 3), round(bar.get_x() + bar.get_width(), 3)) for axis in figure.axes
                for bar in axis.patches if bar.get_facecolor()[:3] == to_rgb(color)]
    return find
