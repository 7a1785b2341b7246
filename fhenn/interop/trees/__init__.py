"""Ensembles of decision trees, exactly: read from those who trained them, and evaluated on bits that the client makes.

Nothing here needs more than NumPy.
"""

from fhenn.interop.trees.combining import among as among
from fhenn.interop.trees.combining import beside as beside
from fhenn.interop.trees.combining import mean_of as mean_of
from fhenn.interop.trees.ensemble import Ensemble as Ensemble
from fhenn.interop.trees.ensemble import Tree as Tree
from fhenn.interop.trees.network import parts_of as parts_of
from fhenn.interop.trees.network import preparation_of as preparation_of
from fhenn.interop.trees.snapping import snapped as snapped
