"""Calibration: what links of a machine really do, fitted to measured logs by simulating them."""

from fabricsim.calibration.calibration import Calibration, calibrate
from fabricsim.calibration.fit import Fit
from fabricsim.calibration.overlay import overlay_text

__all__ = ["Calibration", "Fit", "calibrate", "overlay_text"]
