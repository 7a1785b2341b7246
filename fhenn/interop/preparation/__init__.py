"""What a client does with raw tables in the clear, before it encrypts: a closed list of small steps, as data.

Nothing here needs more than NumPy.
"""

from fhenn.interop.preparation.bases import Polynomial as Polynomial
from fhenn.interop.preparation.bases import Spline as Spline
from fhenn.interop.preparation.categories import Lookup as Lookup
from fhenn.interop.preparation.categories import OneHot as OneHot
from fhenn.interop.preparation.frame import Field as Field
from fhenn.interop.preparation.frame import Kind as Kind
from fhenn.interop.preparation.gaps import Impute as Impute
from fhenn.interop.preparation.gaps import IsMissing as IsMissing
from fhenn.interop.preparation.maps import Kernel as Kernel
from fhenn.interop.preparation.maps import Matrix as Matrix
from fhenn.interop.preparation.maps import Sketch as Sketch
from fhenn.interop.preparation.notice import Notice as Notice
from fhenn.interop.preparation.preparation import LARGEST as LARGEST
from fhenn.interop.preparation.preparation import MOST_PARTS as MOST_PARTS
from fhenn.interop.preparation.preparation import Preparation as Preparation
from fhenn.interop.preparation.scaling import Bins as Bins
from fhenn.interop.preparation.scaling import Clip as Clip
from fhenn.interop.preparation.scaling import Function as Function
from fhenn.interop.preparation.scaling import Normalize as Normalize
from fhenn.interop.preparation.scaling import Power as Power
from fhenn.interop.preparation.scaling import Quantiles as Quantiles
from fhenn.interop.preparation.scaling import Scale as Scale
from fhenn.interop.preparation.step import Select as Select
from fhenn.interop.preparation.step import Step as Step
from fhenn.interop.preparation.step import Union as Union
from fhenn.interop.preparation.step import run as run
from fhenn.interop.preparation.step import walk as walk
from fhenn.interop.preparation.table import Column as Column
from fhenn.interop.preparation.thermometer import Thermometer as Thermometer
from fhenn.interop.preparation.words import CountWords as CountWords
