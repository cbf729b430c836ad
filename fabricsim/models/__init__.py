"""Models that are trained and served: their shapes, what they hold and compute, and published ones by name."""

from fabricsim.models.presets import MODELS, known_model
from fabricsim.models.shape import Latent, ModelShape

__all__ = ["MODELS", "Latent", "ModelShape", "known_model"]
