"""Inference on several GPUs, lesson 08: the tools around the engines that the lesson compares."""
