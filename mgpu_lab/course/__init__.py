"""Tools that the lessons use and do not teach: counting traffic, timing. Runs inside ranks and in exported scripts.

>>> from mgpu_lab.course import traffic
"""

from mgpu_lab.course.spans import draw_spans
from mgpu_lab.course.timing import fastest_s
from mgpu_lab.course.torchrun import Ran, torchrun
from mgpu_lab.course.traffic import Traffic, traffic

__all__ = ["Ran", "Traffic", "draw_spans", "fastest_s", "torchrun", "traffic"]
