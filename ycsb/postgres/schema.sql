-- The rows of the workload, the ids of requests that were carried out, and the transfers. All of it may be there already.

SELECT pg_advisory_xact_lock(7411); -- who makes it at the same time waits

CREATE SCHEMA IF NOT EXISTS concordat_ycsb;

CREATE TABLE IF NOT EXISTS concordat_ycsb.rows (
	key     integer PRIMARY KEY,
	balance bigint  NOT NULL,
	field0  text NOT NULL,
	field1  text NOT NULL,
	field2  text NOT NULL,
	field3  text NOT NULL,
	field4  text NOT NULL,
	field5  text NOT NULL,
	field6  text NOT NULL,
	field7  text NOT NULL,
	field8  text NOT NULL,
	field9  text NOT NULL
);

CREATE TABLE IF NOT EXISTS concordat_ycsb.requests (id text PRIMARY KEY);

-- there fails unless a statement has come to a row.
CREATE OR REPLACE FUNCTION concordat_ycsb.there(rows bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF rows = 0 THEN
		RAISE EXCEPTION 'the row is missing' USING ERRCODE = 'CY002';
	END IF;
	RETURN true;
END
$$;

-- pay moves an amount from one row to each of others, which are distinct, once for a request that has an id. It locks rows in the order of their
-- keys, so that two of them hardly ever wait for each other.
CREATE OR REPLACE PROCEDURE concordat_ycsb.pay(request text, payer integer, payees integer[], amount bigint, refuse boolean)
LANGUAGE plpgsql AS $$
DECLARE
	total CONSTANT bigint := amount * cardinality(payees);
	first CONSTANT boolean := cardinality(payees) = 1 AND payees[1] < payer;
	paid integer;
BEGIN
	IF request <> '' THEN
		INSERT INTO concordat_ycsb.requests VALUES (request) ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			RETURN;
		END IF;
	END IF;
	IF cardinality(payees) > 1 THEN
		PERFORM 1 FROM concordat_ycsb.rows WHERE key = payer OR key = ANY (payees) ORDER BY key FOR UPDATE;
	ELSIF first THEN
		UPDATE concordat_ycsb.rows SET balance = balance + amount WHERE key = payees[1];
		IF NOT FOUND THEN
			RAISE EXCEPTION 'a payee is missing' USING ERRCODE = 'CY002';
		END IF;
	END IF;
	UPDATE concordat_ycsb.rows SET balance = balance - total WHERE key = payer AND balance >= total;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM concordat_ycsb.rows WHERE key = payer) THEN
			RAISE EXCEPTION 'insufficient funds' USING ERRCODE = 'CY001';
		END IF;
		RAISE EXCEPTION 'the payer is missing' USING ERRCODE = 'CY002';
	END IF;
	IF NOT first THEN
		UPDATE concordat_ycsb.rows SET balance = balance + amount WHERE key = ANY (payees);
		GET DIAGNOSTICS paid = ROW_COUNT;
		IF paid < cardinality(payees) THEN
			RAISE EXCEPTION 'a payee is missing' USING ERRCODE = 'CY002';
		END IF;
	END IF;
	IF refuse THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = 'CY003';
	END IF;
END
$$;
