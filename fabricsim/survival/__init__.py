"""Survival: what is left of a workload's performance when parts of its machine are lost, one or several at once."""

from fabricsim.survival.lost import survey, survived
from fabricsim.survival.value import Draw, Loss, PartClass, Question, Survival

__all__ = ["Draw", "Loss", "PartClass", "Question", "Survival", "survey", "survived"]
