"""Tables in files, by their ending: CSV, NPY, and Parquet with the extra `parquet`."""

from fhenn.cli.tables.chunks import TableReader as TableReader
from fhenn.cli.tables.delimited import CsvFormat as CsvFormat
from fhenn.cli.tables.files import check_ending as check_ending
from fhenn.cli.tables.files import open_table as open_table
from fhenn.cli.tables.files import open_writer as open_writer
from fhenn.cli.tables.files import read_table as read_table
from fhenn.cli.tables.files import write_table as write_table
from fhenn.cli.tables.npy import image_shape_in as image_shape_in
from fhenn.cli.tables.options import csv_options as csv_options
from fhenn.cli.tables.table import Table as Table
from fhenn.cli.tables.table import join_tables as join_tables
from fhenn.cli.tables.writer import TableWriter as TableWriter
from fhenn.cli.tables.writer import as_csv as as_csv
