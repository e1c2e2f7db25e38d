-- What writes, or reaches outside. Statements are separated by blank lines.

INSERT INTO {table} (id) VALUES ('x')

UPDATE {table} SET id = 'x'

DELETE FROM {table}

TRUNCATE {table}

DROP TABLE {table}

ALTER TABLE {table} ADD COLUMN x text

CREATE TABLE elsewhere (x text)

CREATE TEMPORARY TABLE elsewhere (x text)

CREATE TABLE elsewhere AS SELECT 1 AS x

SELECT * INTO elsewhere FROM {table}

SELECT 1; DELETE FROM {table}

SELECT 1; COMMIT; DELETE FROM {table}

COMMIT

ROLLBACK

BEGIN

SET TRANSACTION READ WRITE

SET default_transaction_read_only = off

WITH gone AS (DELETE FROM {table} RETURNING *) SELECT * FROM gone

EXPLAIN ANALYZE DELETE FROM {table}

EXPLAIN SELECT 1; DELETE FROM {table}

SHOW server_version; DELETE FROM {table}

SELECT 1) AS asked (c0); DELETE FROM {table}; SELECT * FROM (SELECT 1

SELECT 1) AS asked UNION SELECT ('1'

SELECT * FROM {table} FOR UPDATE

SELECT nextval('_tenantry.none')

SELECT pg_read_file('/etc/passwd')

SELECT lo_import('/etc/passwd')

SELECT pg_ls_dir('/')

COPY {table} TO STDOUT

COPY {table} TO '/tmp/elsewhere'

COPY {table} TO PROGRAM 'cat'

COPY {table} FROM STDIN

DO $$ BEGIN DELETE FROM auth0.thing; END $$

CALL nothing()

LOCK TABLE {table}

VACUUM {table}

GRANT ALL ON {table} TO PUBLIC

COMMENT ON TABLE {table} IS 'x'

PREPARE x AS SELECT 1

EXECUTE x

DECLARE y CURSOR FOR SELECT 1

LISTEN x

NOTIFY x

LOAD 'x'

SET ROLE postgres
