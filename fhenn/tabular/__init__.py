"""Small models of tables that are ready to run encrypted: from arrays of numbers, or from raw tables."""

from fhenn.tabular.candidates import Candidate as Candidate
from fhenn.tabular.candidates import Data as Data
from fhenn.tabular.candidates import Task as Task
from fhenn.tabular.candidates import candidates_of as candidates_of
from fhenn.tabular.candidates import has_trees as has_trees
from fhenn.tabular.choice import Trial as Trial
from fhenn.tabular.choice import choose as choose
from fhenn.tabular.choice import compare as compare
from fhenn.tabular.choice import score_of as score_of
from fhenn.tabular.classes import require_classes as require_classes
from fhenn.tabular.classes import warn_of_identifiers as warn_of_identifiers
from fhenn.tabular.classifier import train as train
from fhenn.tabular.columns import MIN_ROWS as MIN_ROWS
from fhenn.tabular.columns import ColumnType as ColumnType
from fhenn.tabular.columns import types_in as types_in
from fhenn.tabular.columns import types_of as types_of
from fhenn.tabular.folds import Split as Split
from fhenn.tabular.folds import cross_validation as cross_validation
from fhenn.tabular.folds import hold_out as hold_out
from fhenn.tabular.preparing import is_plain as is_plain
from fhenn.tabular.preparing import preparation_of as preparation_of
from fhenn.tabular.survey import Facts as Facts
from fhenn.tabular.survey import Survey as Survey
from fhenn.tabular.target import task_of as task_of
