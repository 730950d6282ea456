SELECT rollup_anew($1, $2, $3)
