SELECT rollup_again($1)
