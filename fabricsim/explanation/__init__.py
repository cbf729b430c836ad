"""Why a run takes as long as it does: the critical path, what each level holds of it, and what binds each round.

`explained` reads all of this from a job and its result. `what_if` adds what a faster link class would give, by solving
the job again for each; that costs a run for every line of it.
"""

from fabricsim.explanation.explain import MOST_MESSAGES, explained
from fabricsim.explanation.value import Explanation, explainer, explanation_in
from fabricsim.explanation.what_if import what_if

__all__ = ["MOST_MESSAGES", "Explanation", "explained", "explainer", "explanation_in", "what_if"]
