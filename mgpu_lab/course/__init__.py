"""Tools that the lessons use and do not teach: counting traffic, timing. Runs inside ranks and in exported scripts.

>>> from mgpu_lab.course import traffic
"""

from mgpu_lab.course.timing import fastest_s
from mgpu_lab.course.torchrun import Said, torchrun
from mgpu_lab.course.traffic import Traffic, traffic

__all__ = ["Said", "Traffic", "fastest_s", "torchrun", "traffic"]
