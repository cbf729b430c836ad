"""Theory: what a run must take at least, and what it takes exactly where that is known in closed form."""
