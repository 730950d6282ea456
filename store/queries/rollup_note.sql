SELECT rollup_note($1)
