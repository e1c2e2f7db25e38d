"""Gives the row with the smallest key of a Delta table another value, as an engine that knows nothing of whose table it is.

Usage: write.py PATH KEY COLUMN VALUE
"""

import sys

import deltalake
import pyarrow.compute


def main():
    path, key, column, value = sys.argv[1:]
    table = deltalake.DeltaTable(path)
    smallest = pyarrow.compute.min(table.to_pyarrow_table(columns=[key])[key]).as_py()
    quoted = smallest.replace("'", "''")
    done = table.update(new_values={column: value}, predicate=f"{key} = '{quoted}'")
    if done["num_updated_rows"] != 1:
        raise SystemExit(f"{done['num_updated_rows']} rows changed")


main()
