"""What lessons use beside their own code: helpers for what is not a lesson's subject."""

from mgpu_lab.course.torchrun import Said, torchrun

__all__ = ["Said", "torchrun"]
