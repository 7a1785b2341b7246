"""What a client does with raw tables in the clear, before it encrypts: a closed list of small steps, as data.

Nothing here needs more than NumPy.
"""

from fhenn.interop.preparation.preparation import Preparation as Preparation
from fhenn.interop.preparation.step import Select as Select
from fhenn.interop.preparation.step import Step as Step
from fhenn.interop.preparation.step import Union as Union
from fhenn.interop.preparation.table import Column as Column
from fhenn.interop.preparation.thermometer import Thermometer as Thermometer
