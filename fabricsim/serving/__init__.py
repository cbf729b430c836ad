"""Serving: what a mixture of experts computes and exchanges on two pools of ranks."""

from fabricsim.serving.deployment import Deployment, Kernel, Pool
from fabricsim.serving.result import with_serving
from fabricsim.serving.serving import Serving, serving_of

__all__ = ["Deployment", "Kernel", "Pool", "Serving", "serving_of", "with_serving"]
