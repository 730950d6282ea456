SELECT behind, written FROM rollup_step($1)
