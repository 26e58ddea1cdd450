"""What is seen in a timeline."""
import pytest
from matplotlib.colors import to_rgb


@pytest.fixture
def bars():
    """``bars(figure, color)`` gives the starts and ends of the moments in a colour."""
    def find(figure, color):
        return [(round(bar.get_x(), 3), round(bar.get_x() + bar.get_width(), 3)) for axis in figure.axes
                for bar in axis.patches if bar.get_facecolor()[:3] == to_rgb(color)]
    return find
