SELECT rollup_behind()
