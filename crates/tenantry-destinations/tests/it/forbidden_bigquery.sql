-- What writes, or reaches outside. Statements are separated by blank lines.

INSERT INTO {table} (id) VALUES ('x')

UPDATE {table} SET id = 'x' WHERE true

DELETE FROM {table} WHERE true

TRUNCATE TABLE {table}

DROP TABLE {table}

ALTER TABLE {table} ADD COLUMN x STRING

CREATE TABLE elsewhere (x STRING)

CREATE TABLE elsewhere AS SELECT 1 AS x

CREATE OR REPLACE TABLE {table} AS SELECT 1 AS x

MERGE {table} AS t USING (SELECT 'x' AS id) AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)

SELECT 1; DELETE FROM {table} WHERE true

BEGIN TRANSACTION; DELETE FROM {table} WHERE true; COMMIT TRANSACTION

BEGIN DELETE FROM {table} WHERE true; END

EXECUTE IMMEDIATE 'DELETE FROM {table} WHERE true'

DECLARE x INT64; SET x = 1

SELECT * FROM EXTERNAL_QUERY('connection', 'DELETE FROM t')

EXPORT DATA OPTIONS(uri='gs://example/*', format='CSV') AS SELECT * FROM {table}

not a query
