-- What writes, or reaches outside. Statements are separated by blank lines.

INSERT INTO {table} (id) VALUES ('x')

UPDATE {table} SET id = 'x'

DELETE FROM {table}

MERGE INTO {table} AS t USING (SELECT 'x' AS id) AS s ON t.id = s.id WHEN MATCHED THEN DELETE

TRUNCATE TABLE {table}

DROP TABLE {table}

UNDROP TABLE {table}

ALTER TABLE {table} ADD COLUMN x VARCHAR

CREATE TABLE elsewhere (x VARCHAR)

CREATE TEMPORARY TABLE elsewhere (x VARCHAR)

CREATE TABLE elsewhere AS SELECT 1 AS x

SELECT 1; DELETE FROM {table}

SELECT '\'; DELETE FROM {table}; --'; DELETE FROM {table}

SHOW TABLES ->> DELETE FROM {table}

COMMIT

ROLLBACK

BEGIN

ALTER SESSION SET TIMEZONE = 'UTC'

SET x = 1

USE ROLE ACCOUNTADMIN

GRANT SELECT ON TABLE {table} TO ROLE PUBLIC

CALL some_procedure()

EXECUTE IMMEDIATE 'DELETE FROM {table}'

EXECUTE IMMEDIATE $$ BEGIN DELETE FROM {table}; END $$

WITH p AS PROCEDURE () RETURNS INT LANGUAGE SQL AS 'DELETE FROM {table}' CALL p()

PUT 'file:///etc/passwd' @~

GET @~ 'file:///tmp'

LIST @~

REMOVE @~

SELECT $1 FROM @~/file

COPY INTO {table} FROM @~

COPY INTO @~/file FROM {table}

SELECT SYSTEM$CANCEL_ALL_QUERIES(1)

SELECT system$abort_session(1)

SELECT elsewhere.NEXTVAL

SELECT * FROM IDENTIFIER('{table}')
