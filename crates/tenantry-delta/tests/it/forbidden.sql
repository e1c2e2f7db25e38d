-- Statements that a reader may not run, one paragraph each.

DROP TABLE {table}

DELETE FROM {table}

INSERT INTO {table} SELECT * FROM {table}

UPDATE {table} SET id = 'x'

TRUNCATE {table}

ALTER TABLE {table} ADD COLUMN x INTEGER

CREATE TABLE auth0.x (a INTEGER)

CREATE TABLE x AS SELECT 1

CREATE VIEW auth0.x AS SELECT 1

CREATE SCHEMA x

CREATE DATABASE x

CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{folder}/secret.csv'

CREATE FUNCTION x(int) RETURNS int RETURN $1

SELECT 1; DROP TABLE {table}

DROP TABLE {table}; SELECT 1

SELECT 1; SELECT 2

WITH x AS (SELECT 1) INSERT INTO {table} (id) SELECT 'x' FROM x

EXPLAIN ANALYZE DELETE FROM {table}

EXPLAIN DELETE FROM {table}

EXPLAIN ANALYZE INSERT INTO {table} SELECT * FROM {table}

COPY {table} TO '{folder}/elsewhere.csv'

COPY (SELECT 1) TO '{folder}/elsewhere.parquet' STORED AS PARQUET

EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/elsewhere.parquet' STORED AS PARQUET

SELECT * FROM '{folder}/secret.csv'

SELECT * FROM "{folder}/secret.csv"

SELECT * FROM read_csv('{folder}/secret.csv')

SELECT * FROM arrow_metadata('{folder}/secret.csv')

SET datafusion.execution.batch_size = 1

RESET datafusion.execution.batch_size

BEGIN

COMMIT

PREPARE x AS SELECT 1

EXECUTE x

SELECT * FROM nowhere

SELECT nothing FROM {table}

not a statement
