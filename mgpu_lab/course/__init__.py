"""Tools that the lessons use and do not teach: traffic, timing, torchrun, small data. For ranks and exported scripts.

>>> from mgpu_lab.course import traffic
"""

from mgpu_lab.course.byte_rows import show_bytes
from mgpu_lab.course.python_text import PythonText, base_model, matrices
from mgpu_lab.course.shards import farthest_gradient
from mgpu_lab.course.timing import fastest_s
from mgpu_lab.course.torchrun import Said, torchrun
from mgpu_lab.course.traffic import Traffic, traffic
from mgpu_lab.course.zen import zen, zen_net

__all__ = [
    "PythonText",
    "Said",
    "Traffic",
    "base_model",
    "farthest_gradient",
    "fastest_s",
    "matrices",
    "show_bytes",
    "torchrun",
    "traffic",
    "zen",
    "zen_net",
]
