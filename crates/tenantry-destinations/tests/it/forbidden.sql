-- Statements that a reader may not run, one paragraph each.

DROP TABLE {table}

DELETE FROM {table}

INSERT INTO {table} SELECT * FROM {table}

UPDATE {table} SET id = 'x'

TRUNCATE {table}

ALTER TABLE {table} ADD COLUMN x INTEGER

CREATE TABLE auth0.x (a INTEGER)

CREATE TEMP TABLE x AS SELECT 1

CREATE VIEW auth0.x AS SELECT 1

CREATE OR REPLACE MACRO auth0.x() AS 1

CREATE SECRET x (TYPE http)

COMMENT ON TABLE {table} IS 'x'

SELECT 1; DROP TABLE {table}

DROP TABLE {table}; SELECT 1

SELECT 1; SELECT 2

WITH x AS (SELECT 1) INSERT INTO {table} (id) SELECT 'x' FROM x

WITH x AS (DELETE FROM {table} RETURNING *) SELECT * FROM x

EXPLAIN ANALYZE DELETE FROM {table}

EXPLAIN DELETE FROM {table}

explain /* a comment */ analyze delete from {table}

EXPLAIN (FORMAT json) DELETE FROM {table}

EXPLAIN EXPLAIN ANALYZE DELETE FROM {table}

COPY {table} TO '{elsewhere}.csv'

COPY {table} FROM '{folder}/secret.csv'

COPY (SELECT 1) TO '{elsewhere}.parquet' (FORMAT parquet)

COPY FROM DATABASE tenantry TO memory

EXPORT DATABASE '{elsewhere}'

IMPORT DATABASE '{folder}'

ATTACH '{elsewhere}.duckdb' AS elsewhere

ATTACH ':memory:' AS elsewhere

DETACH tenantry

USE memory

INSTALL httpfs

LOAD json

LOAD '{folder}/secret.csv'

SET threads = 1

SET GLOBAL enable_external_access = true

RESET enable_external_access

SET VARIABLE x = 1

PRAGMA enable_profiling

PRAGMA database_list

CALL pragma_version()

CALL force_checkpoint()

PREPARE x AS DELETE FROM {table}

EXECUTE x

BEGIN TRANSACTION

COMMIT

ROLLBACK

CHECKPOINT

VACUUM

ANALYZE

SELECT * FROM read_csv('{folder}/secret.csv')

SELECT * FROM '{folder}/secret.csv'

SELECT * FROM read_text('{folder}/secret.csv')

SELECT * FROM read_blob('{folder}/secret.csv')

SELECT * FROM read_json('{folder}/secret.csv')

SELECT * FROM read_parquet('{folder}/*.parquet')

SELECT * FROM read_duckdb('{folder}/warehouse.duckdb')

SELECT * FROM sniff_csv('{folder}/secret.csv')

SELECT * FROM glob('{folder}/*')

SELECT * FROM parquet_metadata('{folder}/secret.csv')

SELECT * FROM query('DROP TABLE {table}')

SELECT * FROM query('SELECT * FROM read_text(''{folder}/secret.csv'')')

SELECT * FROM query_table('{folder}/secret.csv')

SELECT getenv('HOME')

SELECT * FROM json_execute_serialized_sql('x')

SELECT 1 INTO x

SELECT id FROM {table} LIMIT 1;;; DROP TABLE {table}

DESCRIBE SELECT * FROM read_csv('{folder}/secret.csv')

SUMMARIZE SELECT * FROM read_csv('{folder}/secret.csv')

SELECT nextval('x')

-- nothing but a comment
-- and another

   

SELEC 1

SELECT * FROM nowhere
