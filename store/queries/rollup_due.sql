SELECT $1::text AS step, aggregate, low, high FROM rollup_due($1, $2)
