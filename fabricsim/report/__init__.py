"""Figures, tables and pages of saved or in-memory Results; the only importers of Matplotlib.

Nothing here knows the simulator. A sweep is a list of Results.
"""
