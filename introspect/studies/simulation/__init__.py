"""How often the rules of the four criteria give a wrong verdict, or none, on subjects made up with a known truth.

A made-up subject is given by its ``Truth``: what every part of every clause comes to, replies as they are read, with
all the concepts that there could be. Its evidence is drawn trial by trial and judged as a study's is. Nothing is as
the estimators assume. Effects of concepts are skew or all-or-none; the arms of one concept are correlated; wordings
shift every rate and have words of their own that are named out of habit; log-odds have heavy tails, and control
questions effects of their own that all concepts share; a reply under injection is unreadable more often than one
without, most often under the concepts that work. Rates are solved for, so that the truth is what it is said to be.

The settings were written down before the first full run. In some nothing is there at all, or all that a criterion
asks for is there and strong but for one part, which is nil; in these the criterion must not be met. In the others its
parts are there at twice their smallest effects, and the question is how often that is left undetermined.
"""

from introspect.studies.simulation.draw import study
from introspect.studies.simulation.run import simulate
from introspect.studies.simulation.tables import verdict_tables
from introspect.studies.simulation.truth import NAMES, settings

__all__ = ["NAMES", "settings", "simulate", "study", "verdict_tables"]
