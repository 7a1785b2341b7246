"""Small models of tables that are ready to run encrypted: from arrays of numbers, or from raw tables."""

from fhenn.tabular.classes import require_classes as require_classes
from fhenn.tabular.classes import warn_of_identifiers as warn_of_identifiers
from fhenn.tabular.classifier import train as train
