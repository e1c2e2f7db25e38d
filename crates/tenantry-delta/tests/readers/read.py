"""Reads Delta tables with one engine and prints their rows, one JSON object for all tables.

Usage: read.py ENGINE PATH TABLE...   Each cell is text as it stands in the table, a time as microseconds UTC, or null.
"""

import json
import os
import shutil
import sys

import pyarrow
import pyarrow.compute


def by_deltalake(path):
    import deltalake

    return deltalake.DeltaTable(path).to_pyarrow_table()


def by_polars(path):
    import polars

    return polars.read_delta(path).to_arrow()


def by_daft(path):
    import daft

    return daft.read_deltalake(path).to_arrow()


def by_duckdb(path):
    if not DUCKDB:
        DUCKDB.append(duckdb_with_delta())
    return DUCKDB[0].execute("select * from delta_scan(?)", [path]).to_arrow_table()


# One connection for all tables: the extension's file must not be written again while it is loaded.
DUCKDB = []


def duckdb_with_delta():
    """DuckDB with the extension that its package carries, put where it is looked for."""
    import duckdb
    import duckdb_extension_delta

    extensions = os.path.join(os.environ["TMPDIR"], "extensions")
    carried = os.path.join(os.path.dirname(duckdb_extension_delta.__file__), "extensions")
    for folder, _, files in os.walk(carried):
        for file in files:
            if file.endswith(".duckdb_extension"):
                connection = duckdb.connect(config={"extension_directory": extensions})
                platform = connection.execute("pragma platform").fetchone()[0]
                home = os.path.join(extensions, f"v{duckdb.__version__}", platform)
                os.makedirs(home, exist_ok=True)
                shutil.copy(os.path.join(folder, file), home)
                connection.execute("load delta")
                return connection
    raise SystemExit("the package carries no extension")


def by_sail(path):
    return sail().read.format("delta").load(path).toArrow()


SAIL = []


def sail():
    """One Spark Connect server for all tables."""
    if not SAIL:
        from pysail.spark import SparkConnectServer
        from pyspark.sql import SparkSession

        server = SparkConnectServer()
        server.start()
        _, port = server.listening_address
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        SAIL.extend([server, session])
    return SAIL[1]


def cells(table):
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pyarrow.types.is_timestamp(column.type):
            column = column.cast(pyarrow.timestamp("us", column.type.tz)).cast(pyarrow.int64())
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        columns[name] = [text(value) for value in column.to_pylist()]
    return columns


def text(value):
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def main():
    engine, place, *tables = sys.argv[1:]
    read = globals()["by_" + engine]
    json.dump({table: cells(read(os.path.join(place, table))) for table in tables}, sys.stdout)


main()
