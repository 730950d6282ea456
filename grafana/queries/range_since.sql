SELECT $__timeFrom() AS since
