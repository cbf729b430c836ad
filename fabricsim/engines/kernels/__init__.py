"""Array kernels of the packet engine: the SimPy kernel's answers, many packets at a time."""
