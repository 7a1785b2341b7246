"""Tables in files, by their ending: CSV, NPY, and Parquet with the extra `parquet`."""

from fhenn.cli.tables.delimited import CsvFormat as CsvFormat
from fhenn.cli.tables.files import as_csv as as_csv
from fhenn.cli.tables.files import check_ending as check_ending
from fhenn.cli.tables.files import read_table as read_table
from fhenn.cli.tables.files import write_table as write_table
from fhenn.cli.tables.options import csv_options as csv_options
from fhenn.cli.tables.table import Table as Table
