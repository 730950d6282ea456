SELECT rollup_tell(NULL, NULL, $1, $2)
