"""Makes `python -m fabricsim` the same as `fabricsim`."""

from fabricsim.cli import main

main()
